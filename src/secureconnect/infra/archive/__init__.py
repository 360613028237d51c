"""One compressed, checked and, with a passphrase, encrypted file that holds a whole installation."""

def asyncapi_document(commands, version):
    return b"{}"

// Reads SQL statements, separated by NUL, and says which of them CockroachDB cannot parse.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
)

func main() {
	given, err := io.ReadAll(bufio.NewReader(os.Stdin))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	refused := 0
	for _, statement := range strings.Split(string(given), "\x00") {
		if _, err := parser.Parse(statement); err != nil {
			refused++
			fmt.Printf("%s\n    %v\n", statement, err)
		}
	}
	if refused > 0 {
		os.Exit(1)
	}
}

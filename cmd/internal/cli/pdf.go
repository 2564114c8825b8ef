package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// PDFVerb is the hidden verb that reads a PDF on standard input and writes its text.
const PDFVerb = "pdf-text"

// A PDF may take this long, and longer by its size: far more than a sound one needs on a slow
// machine, so that what is refused is the same everywhere.
const pdfLimit, pdfLimitPerMiB = time.Minute, 10 * time.Second

// PDFText reads a PDF in a process of its own, which a damaged one may crash or never leave.
func PDFText(data []byte) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	limit := pdfLimit + pdfLimitPerMiB*time.Duration(len(data)>>20)
	return runPDF(self, []string{os.Args[0], PDFVerb}, limit, data)
}

// runPDF runs a program that reads a PDF; args[0] is the name it is called by.
func runPDF(program string, args []string, limit time.Duration, data []byte) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out, messages bytes.Buffer
	child := exec.CommandContext(ctx, program)
	child.Args, child.Stdin, child.Stdout, child.Stderr = args, bytes.NewReader(data), &out, &messages
	err := child.Run()
	switch first, _, _ := strings.Cut(strings.TrimSpace(messages.String()), "\n"); {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it is damaged: reading it had no end after %v", limit)
	case err != nil && first != "":
		return "", errors.New(strings.TrimPrefix(first, "pipeline: error: "))
	case err != nil:
		return "", err
	}
	return out.String(), nil
}

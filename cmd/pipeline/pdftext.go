package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/ingest/documents"
)

// newPDFText makes the verb by which this program reads a PDF in a process of its own.
func newPDFText() *cobra.Command {
	return &cobra.Command{
		Use: cli.PDFVerb, Hidden: true, Short: "Read a PDF on standard input, write its text", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := io.ReadAll(cmd.InOrStdin())
			if err != nil {
				return err
			}
			text, err := documents.PDFText(data)
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
}

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

func newVerify(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "verify DATASET",
		GroupID: "look",
		Short:   "Read everything and compare it with the manifest",
		Long: `Reads every file that the manifests of the dataset and of its reward history name, and
checks hashes, counts, schema, ranges, token ids, text and outcomes. It ends with status 12
at the first damage, and names its place.`,
		Example: "  pipeline verify data",
		Args:    oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := dataset.Verify(cmd.Context(), dataset.Dir(args[0]))
			if err != nil {
				return explain(fmt.Errorf("verify %s: %w", args[0], err))
			}
			if err := history.Verify(cmd.Context(), dataset.Dir(args[0])); err != nil {
				return explainHistory(fmt.Errorf("verify %s: %w", args[0], err))
			}
			if g.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"message_type": "verify", "ok": true, "files": v.Files, "rows": v.Rows, "tokens": v.Tokens, "bytes": v.Bytes,
				})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is sound: %s files, %s samples, %s tokens, %s\n",
				args[0], cli.Count(v.Files), cli.Count(v.Rows), cli.Count(v.Tokens), cli.Bytes(v.Bytes))
			return err
		},
	}
}

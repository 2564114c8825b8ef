package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/stream"
)

// streamer is the verb stream with its options.
type streamer struct {
	plans    []string
	cursor   string
	output   string
	prefetch cli.Size
	noCache  bool
	wait     time.Duration
	options  stream.Options
}

func newStream(g *globals) *cobra.Command {
	s := streamer{prefetch: stream.DefaultPrefetch}
	cmd := &cobra.Command{
		Use:     "stream DATASET --plan PLAN [flags]",
		GroupID: "look",
		Short:   "The samples of a plan, in its order, as an Arrow IPC stream",
		Long: `Writes the samples of a plan as Arrow record batches: ids, question, answers, and in the
last row of each batch the cursor from which to go on when the batch was taken. The last
batch has no rows: a stream without it is not complete.

Several plans follow each other. Rank r of R takes the positions p with p mod R = r of each
global batch, or with --balance such that ranks get equal work. A cursor fits any number of
ranks and workers; one of another dataset, plan or seed is refused.

The first reading of a shard puts its ids into DATASET/cache, about 4 bytes a token, from
where they are read many times faster. The folder may be deleted at any time.`,
		Example: `  pipeline stream data --plan plan.parquet --batch 128 > out.arrows
  pipeline stream data --plan phase-1.parquet --plan phase-2.parquet --batch-tokens 1000000 --rank 0 --ranks 8 --balance
  pipeline stream data --plan plan.parquet --cursor "$(cat cursor.json)" | trainer`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, g, args[0]) },
	}
	f, o := cmd.Flags(), &s.options
	f.StringArrayVar(&s.plans, "plan", nil, "plan to read; may be repeated: the next phase")
	f.StringVar(&s.cursor, "cursor", "", "cursor from which to go on, or @FILE")
	f.IntVar(&o.Batch, "batch", 0, "samples of a global batch, of all ranks (default: 128, where no --batch-tokens)")
	f.Int64Var(&o.BatchTokens, "batch-tokens", 0, "most prompt tokens of a global batch, instead of --batch")
	f.BoolVar(&o.DropLast, "drop-last", false, "leave out the last batch of a plan where it is not full")
	f.BoolVar(&o.Balance, "balance", false, "share each batch by length, so that ranks get equal work")
	f.IntVar(&o.Rank, "rank", 0, "rank that reads, from 0")
	f.IntVar(&o.Ranks, "ranks", 1, "number of ranks")
	f.IntVar(&o.Worker, "worker", 0, "worker of the rank, from 0: it takes every workers-th batch")
	f.IntVar(&o.Workers, "workers", 1, "number of workers of each rank")
	f.DurationVar(&s.wait, "wait", 0, "time to wait for each next segment of a plan that still grows")
	f.Var(sizeFlag{&s.prefetch}, "prefetch", "batches made ahead, in bytes")
	f.BoolVar(&s.noCache, "no-cache", false, "neither write nor read DATASET/cache")
	f.StringVarP(&s.output, "output", "o", "-", "file to write, - for standard output")
	return cmd
}

// sizeFlag makes a size a flag.
type sizeFlag struct{ *cli.Size }

func (f sizeFlag) Set(text string) error { return f.UnmarshalText([]byte(text)) }
func (f sizeFlag) Type() string          { return "size" }

func (f sizeFlag) String() string {
	if f.Size == nil {
		return ""
	}
	text, _ := f.MarshalText()
	return string(text)
}

func (s *streamer) run(cmd *cobra.Command, g *globals, dir string) error {
	if len(s.plans) == 0 {
		return cli.WithHint(cli.Usage(errors.New("stream: no plan; name one with --plan")), "`pipeline sample "+dir+" --phase 1 --output plan.parquet` makes one")
	}
	if s.output == "-" && cli.IsTerminal(cmd.OutOrStdout()) {
		return cli.Usage(errors.New("stream: the stream is not for a terminal; redirect it, or name a file with --output"))
	}
	if err := s.check(cmd); err != nil {
		return err
	}
	s.options.Prefetch = int64(s.prefetch)
	src, err := openSource(cmd, g, dir, !s.noCache)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := s.place(src.Manifest()); err != nil {
		return err
	}
	if s.wait > 0 {
		follow := stream.Follow{Open: func(plan int) (*curriculum.Plan, error) { return openPlan(s.plans[plan]) }, Most: s.wait}
		s.options.More = follow.More
	}
	r, err := src.NewReader(cmd.Context(), s.options)
	if err != nil {
		return explainStream(cli.Usage(err))
	}
	defer r.Close()
	copied, err := s.write(cmd, r)
	if err != nil {
		return explainStream(fmt.Errorf("stream %s: %w", dir, err))
	}
	if g.json {
		return json.NewEncoder(cmd.ErrOrStderr()).Encode(map[string]any{
			"message_type": "stream", "batches": copied.Batches, "samples": copied.Rows, "tokens": copied.Tokens, "cursor": copied.End,
		})
	}
	if !g.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "pipeline: %s batches, %s samples, %s tokens, to position %s\n",
			cli.Count(copied.Batches), cli.Count(copied.Rows), cli.Count(copied.Tokens), cli.Count(copied.End.Position))
	}
	return nil
}

// check refuses numbers that a library would take for their default, and an output over a plan.
func (s *streamer) check(cmd *cobra.Command) error {
	o := &s.options
	if !cmd.Flags().Changed("batch") && !cmd.Flags().Changed("batch-tokens") {
		o.Batch = 128
	}
	switch {
	case o.Ranks < 1 || o.Workers < 1:
		return cli.Usage(errors.New("stream: --ranks and --workers are at least 1"))
	case s.wait < 0:
		return cli.Usage(errors.New("stream: --wait is not negative"))
	}
	return notOver(s.plans, s.output)
}

// notOver refuses to write a file over one of the plans that it is made of.
func notOver(plans []string, file string) error {
	out, err := os.Stat(file)
	if err != nil {
		return nil // it is not there
	}
	for _, plan := range plans {
		if in, err := os.Stat(plan); err == nil && os.SameFile(in, out) {
			return cli.Usage(fmt.Errorf("%s is the plan; write somewhere else", file))
		}
	}
	return nil
}

// place opens the plans and reads the cursor.
func (s *streamer) place(m *dataset.Manifest) error {
	for _, name := range s.plans {
		p, err := openPlanOf(m, name)
		if err != nil {
			return err
		}
		s.options.Plans = append(s.options.Plans, p)
	}
	text := s.cursor
	if len(text) > 0 && text[0] == '@' {
		data, err := os.ReadFile(text[1:])
		if err != nil {
			return cli.Usage(fmt.Errorf("stream: --cursor: %w", err))
		}
		text = string(data)
	}
	var err error
	if s.options.Cursor, err = stream.ParseCursor(text); err != nil {
		return explainStream(cli.Usage(fmt.Errorf("stream: --cursor: %w", err)))
	}
	return nil
}

func (s *streamer) write(cmd *cobra.Command, r *stream.Reader) (copied stream.Copied, err error) {
	if s.output == "-" {
		return r.WriteIPC(cmd.OutOrStdout())
	}
	err = writeFile(s.output, func(w io.Writer) (err error) {
		copied, err = r.WriteIPC(w)
		return err
	})
	return copied, err
}

// openSource opens a dataset for reading; what the cache does is logged with --json.
func openSource(cmd *cobra.Command, g *globals, dir string, cache bool) (*stream.Source, error) {
	var log *slog.Logger
	if g.json && !g.quiet {
		log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	}
	src, err := stream.Open(dataset.Dir(dir), stream.SourceOptions{Cache: cache, Log: log})
	if err != nil {
		return nil, explain(fmt.Errorf("dataset %s: %w", dir, err))
	}
	return src, nil
}

func openPlan(name string) (*curriculum.Plan, error) {
	p, err := curriculum.Open(dataset.Dir(filepath.Dir(name)), filepath.Base(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.WithHint(cli.Usage(fmt.Errorf("plan %s: there is none", name)), "`pipeline sample DATASET --phase 1 --output "+name+"` makes one")
	}
	if errors.Is(err, dataset.ErrCorrupt) {
		return nil, cli.WithHint(err, "draw it again: `pipeline sample` gives the same plan for the same dataset, history, options and seed")
	}
	return p, err
}

// openPlanOf opens a plan that was made for a dataset.
func openPlanOf(m *dataset.Manifest, name string) (*curriculum.Plan, error) {
	p, err := openPlan(name)
	if err != nil {
		return nil, err
	}
	if err := p.Check(m); err != nil {
		return nil, cli.WithHint(cli.Usage(err), "name the dataset that it was made for, or draw a plan of this one with `pipeline sample`")
	}
	return p, nil
}

// explainStream adds the hint that belongs to an error of a stream.
func explainStream(err error) error {
	if errors.Is(err, stream.ErrCursor) {
		return cli.WithHint(err, "a cursor fits one dataset and one plan: bring back those of the run that wrote it, or begin without a cursor")
	}
	return explain(err)
}

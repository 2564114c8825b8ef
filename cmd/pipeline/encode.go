package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/tokenize"
	"github.com/longctx/pipeline/tokenize/bpe"
)

// encoder is the verb encode with its options.
type encoder struct {
	tokenizer, special, text      string
	count, decode, offsets, addBO bool
	workers                       int

	tok     *bpe.Tokenizer
	options bpe.Options
}

func newEncode() *cobra.Command {
	var e encoder
	cmd := &cobra.Command{
		Use:     "encode [flags] < in.jsonl > out.jsonl",
		GroupID: "look",
		Short:   "Token ids of texts, and back",
		Long: `Reads {"id", "text"} a line and writes {"id", "ids"}; with --count {"id", "n"}; with
--offsets also the bytes that each token stands for. With --decode it reads ids and writes
text. With --text it shows the pieces of one text.`,
		Example: `  pipeline encode --tokenizer qwen/tokenizer.json < in.jsonl > out.jsonl
  pipeline encode --tokenizer cl100k_base --text "Long context, short answer."`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.workers < 1 {
				return cli.Usage(fmt.Errorf("encode: --workers: %d is no number of goroutines", e.workers))
			}
			if err := e.fetch(cmd); err != nil {
				return err
			}
			if err := e.load(); err != nil {
				return err
			}
			if cmd.Flags().Changed("text") {
				return e.show(cmd.OutOrStdout())
			}
			return e.lines(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.tokenizer, "tokenizer", tokenize.DefaultTokenizer, "tokenizer.json, a tiktoken rank file, or a built-in name")
	f.StringVar(&e.special, "special-tokens", tokenize.SpecialParse, "special tokens spelled in the text: parse, or text")
	f.BoolVar(&e.addBO, "add-special", false, "add what the tokenizer's post-processor adds, such as BOS")
	f.BoolVar(&e.count, "count", false, "only count")
	f.BoolVar(&e.decode, "decode", false, "from ids to text")
	f.BoolVar(&e.offsets, "offsets", false, "also write [start, end) of each token in the text, in bytes")
	f.StringVar(&e.text, "text", "", "show the pieces of this text")
	f.IntVar(&e.workers, "workers", runtime.GOMAXPROCS(0), "goroutines at work")
	cmd.MarkFlagsMutuallyExclusive("count", "decode", "offsets")
	return cmd
}

// fetch brings a tokenizer of the Hub into the cache.
func (e *encoder) fetch(cmd *cobra.Command) error {
	c := cli.Config{Tokenize: cli.TokenizeConfig{Tokenizer: e.tokenizer}}
	err := c.Fetch(cmd.Context(), cmd.ErrOrStderr(), false)
	e.tokenizer = c.Tokenize.Tokenizer
	return err
}

func (e *encoder) load() (err error) {
	switch e.special {
	case tokenize.SpecialParse:
	case tokenize.SpecialText:
		e.options.NoSpecial = true
	default:
		return cli.Usage(fmt.Errorf("encode: --special-tokens: %q is neither %q nor %q", e.special, tokenize.SpecialParse, tokenize.SpecialText))
	}
	e.options.AddSpecial = e.addBO
	e.tok, err = tokenize.LoadTokenizer(e.tokenizer)
	return err
}

// A line is what encode reads and writes. Absent fields are left out.
type line struct {
	ID      json.RawMessage `json:"id,omitempty"`
	Text    *string         `json:"text,omitempty"`
	IDs     *[]int32        `json:"ids,omitempty"`
	N       *int            `json:"n,omitempty"`
	Offsets *[][2]int       `json:"offsets,omitempty"`
}

// do turns one line into its answer.
func (e *encoder) do(in line) (out line, err error) {
	out.ID = in.ID
	if e.decode {
		if in.IDs == nil {
			return out, errors.New(`it has no "ids"`)
		}
		text, err := e.tok.Decode(*in.IDs, bpe.DecodeOptions{})
		out.Text = &text
		return out, err
	}
	if in.Text == nil {
		return out, errors.New(`it has no "text"`)
	}
	switch {
	case e.count:
		n := e.tok.Count(*in.Text, e.options)
		out.N = &n
	case e.offsets:
		ids, at := e.tok.EncodeOffsets(*in.Text, e.options)
		ids = append(make([]int32, 0, len(ids)), ids...) // [], never null
		offsets := make([][2]int, 0, len(at))
		for _, s := range at {
			offsets = append(offsets, [2]int{s.Start, s.End})
		}
		out.IDs, out.Offsets = &ids, &offsets
	default:
		ids := e.tok.Encode(*in.Text, e.options)
		out.IDs = &ids
	}
	return out, nil
}

// lines encodes standard input, lines side by side, answers in their order.
func (e *encoder) lines(cmd *cobra.Command) error {
	type answer struct {
		data []byte
		err  error
	}
	g, ctx := errgroup.WithContext(cmd.Context())
	order := make(chan chan answer, max(1, e.workers))
	g.Go(func() error {
		defer close(order)
		in := bufio.NewReaderSize(cmd.InOrStdin(), 1<<20)
		for n := 1; ; n++ {
			raw, err := in.ReadBytes('\n')
			if len(raw) > 0 && strings.TrimSpace(string(raw)) != "" {
				done := make(chan answer, 1)
				select {
				case order <- done:
				case <-ctx.Done():
					return ctx.Err()
				}
				go func() {
					data, err := e.answer(raw)
					if err != nil {
						err = fmt.Errorf("encode: line %d: %w", n, err)
					}
					done <- answer{data, err}
				}()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("encode: line %d: %w", n, err)
			}
		}
	})
	g.Go(func() error {
		out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<20)
		for done := range order {
			a := <-done
			if a.err != nil {
				return errors.Join(a.err, out.Flush())
			}
			if _, err := out.Write(a.data); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	return g.Wait()
}

func (e *encoder) answer(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	var in line
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	out, err := e.do(in)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(out)
	return b.Bytes(), err
}

// show writes the pieces of one text: on a terminal with a colour for every other piece,
// elsewhere one a line with its id.
func (e *encoder) show(w io.Writer) error {
	ids := e.tok.Encode(e.text, e.options)
	if !cli.Color(w) {
		for _, id := range ids {
			fmt.Fprintf(w, "%d\t%q\n", id, e.tok.TokenText(id))
		}
		return nil
	}
	for i, id := range ids {
		piece := strings.NewReplacer("\n", "⏎\n", "\t", "⇥").Replace(e.tok.TokenText(id))
		fmt.Fprintf(w, "\x1b[%d;30m%s\x1b[0m", 46+i%2, strings.ToValidUTF8(piece, "�"))
	}
	fmt.Fprintf(w, "\n%d tokens, %d bytes\n", len(ids), len(e.text))
	return nil
}

// Command parity compares this package with transformers: it reads what expect.py wrote (a case a line) and prints equal/total for
// each template. A case is equal when both give the same text, or both refuse.
//
//	python tokenize/template/parity/expect.py TEMPLATES > cases.jsonl
//	go run ./tokenize/template/parity cases.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/longctx/pipeline/tokenize/template"
)

type testCase struct {
	Template, Source, Chat string
	Special                map[string]string
	Messages               []template.Message
	Text                   *string // nil: transformers refuses
	Error                  string
}

type count struct {
	equal, total int
	first        string // the first difference
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "parity: name one file of cases; expect.py writes it")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "parity: error:", err)
		os.Exit(1)
	}
}

func run(path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []string
	counts := map[string]*count{}
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var c testCase
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("read %q: %w", path, err)
		}
		if counts[c.Template] == nil {
			counts[c.Template] = &count{}
			names = append(names, c.Template)
		}
		compare(c, counts[c.Template])
	}
	all := count{}
	for _, name := range names {
		n := counts[name]
		all.equal += n.equal
		all.total += n.total
		fmt.Fprintf(out, "%-60s %4d/%-4d %s\n", name, n.equal, n.total, n.first)
	}
	fmt.Fprintf(out, "%-60s %4d/%-4d\n", "all", all.equal, all.total)
	return nil
}

func compare(c testCase, n *count) {
	n.total++
	p, err := render(c)
	switch {
	case c.Text == nil && err != nil, c.Text != nil && err == nil && p.Text == *c.Text:
		n.equal++
	case n.first != "":
	case err != nil:
		n.first = fmt.Sprintf("%s: %v", c.Chat, err)
	case c.Text == nil:
		n.first = fmt.Sprintf("%s: transformers refuses: %s", c.Chat, c.Error)
	default:
		at := 0
		for at < len(p.Text) && at < len(*c.Text) && p.Text[at] == (*c.Text)[at] {
			at++
		}
		n.first = fmt.Sprintf("%s: at byte %d: %.60q, transformers %.60q", c.Chat, at, p.Text[at:], (*c.Text)[at:])
	}
}

func render(c testCase) (template.Prompt, error) {
	chat, err := template.ParseChat(c.Source, c.Special)
	if err != nil {
		return template.Prompt{}, err
	}
	return chat.WithDate(time.Date(2024, 7, 26, 13, 5, 9, 0, time.UTC)).Render(c.Messages)
}

package template

import (
	"fmt"
	"regexp"
	"strings"
)

// maxSource bounds the engine's recursive parser: its stack is not ours to catch when it overflows.
const (
	maxSource  = 128 << 10
	maxNesting = 100
)

// A rewritten template is what the engine gets to see.
type rewritten struct {
	source   string
	texts    []string // literal text, by number: the engine never touches its whitespace
	literals []string // string literals of the tags, once each: what the template can look for in a content
	lookups  []string // the literals among them that the template looks for: arguments of string methods, left sides of in
	usesDate bool
}

// rewrite turns pieces into source for the engine, with the guards that the engine lacks (see DESIGN.md): literal text is looked up,
// output is formatted as Python does, loops and macros count, and constructs the engine gets wrong are put right or refused.
func rewrite(pieces []piece) (*rewritten, error) {
	r := &rewritten{}
	seen := map[string]bool{}
	var out strings.Builder
	depth := 0
	for _, p := range pieces {
		if p.kind == dataPiece {
			fmt.Fprintf(&out, "{{ %s[%d] }}", textsName, len(r.texts))
			r.texts = append(r.texts, p.text)
			continue
		}
		tokens := tokenize(p.text)
		r.collect(tokens, seen)
		code, err := translate(tokens)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
		if p.kind == exprPiece {
			fmt.Fprintf(&out, "{{ %s( %s ) }}", printName, code)
			continue
		}
		keyword := firstName(tokens)
		switch {
		case strings.HasPrefix(keyword, "end"):
			depth--
		case keyword == "if" || keyword == "for" || keyword == "macro" || keyword == "call" || keyword == "filter":
			depth++
		}
		if depth > maxNesting {
			return nil, fmt.Errorf("line %d: blocks are nested deeper than %d; write it flatter", p.line, maxNesting)
		}
		if err := statement(&out, keyword, code, tokens); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	r.source = out.String()
	return r, nil
}

var setTarget = regexp.MustCompile(`^set\s+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)\s*=[^=]`)

func statement(out *strings.Builder, keyword, code string, tokens []token) error {
	guard := func(call string) { fmt.Fprintf(out, "{%% if %s %%}{%% endif %%}", call) }
	if keyword == "endmacro" {
		guard(leaveName + "()")
	}
	fmt.Fprintf(out, "{%% %s %%}", code)
	switch keyword {
	case "for":
		if last := tokens[len(tokens)-1]; last.text == "recursive" {
			return fmt.Errorf("recursive loops are not supported; write a macro that calls itself")
		}
		guard(tickName + "()")
	case "macro":
		guard(enterName + "()")
	case "set":
		if m := setTarget.FindStringSubmatch(code); m != nil {
			guard(sizeName + "(" + m[1] + ")")
		}
	case "include", "import", "from", "extends":
		return fmt.Errorf("%s needs another file, and a chat template has none; paste its text", keyword)
	}
	return nil
}

type token struct {
	text   string
	string bool
	space  bool
}

var tokenPattern = regexp.MustCompile(`^(?:\s+|[A-Za-z_]\w*|[0-9][0-9_.eE]*)`)

// tokenize cuts the inside of a tag into names, numbers, strings, spaces and single characters.
func tokenize(s string) []token {
	var tokens []token
	for i := 0; i < len(s); {
		n := 1
		isString := s[i] == '\'' || s[i] == '"'
		if isString {
			n = stringEnd(s, i) - i
		} else if m := tokenPattern.FindString(s[i:]); m != "" {
			n = len(m)
		}
		t := token{text: s[i : i+n], string: isString}
		t.space = !isString && strings.TrimSpace(t.text) == ""
		tokens = append(tokens, t)
		i += n
	}
	return tokens
}

func firstName(tokens []token) string {
	if len(tokens) == 0 {
		return ""
	}
	return tokens[0].text
}

// near returns the text of the n-th token from i that is not space, or "".
func near(tokens []token, i, n int) string {
	step := 1
	if n < 0 {
		step, n = -1, -n
	}
	for i += step; i >= 0 && i < len(tokens); i += step {
		if tokens[i].space {
			continue
		}
		if n--; n == 0 {
			if tokens[i].string {
				return "''"
			}
			return tokens[i].text
		}
	}
	return ""
}

// translate writes a tag's tokens for the engine.
func translate(tokens []token) (string, error) {
	var out strings.Builder
	for i, t := range tokens {
		if t.string {
			out.WriteString(t.text)
			continue
		}
		prev := near(tokens, i, -1)
		switch t.text {
		case "strip", "lstrip", "rstrip":
			// Without an argument the engine knows fewer spaces than Python.
			if prev == "." && near(tokens, i, 1) == "(" && near(tokens, i, 2) == ")" {
				skipTo(tokens, i, "(", spaceName)
			}
		case "trim":
			if prev == "|" && near(tokens, i, 1) != "(" {
				t.text = "trim(" + spaceName + ")"
			} else if prev == "|" && near(tokens, i, 2) == ")" {
				skipTo(tokens, i, "(", spaceName)
			}
		case "sequence":
			// The engine takes only lists for sequences; in Python strings and (for this test) mappings are too.
			if prev == "is" || prev == "not" {
				t.text = "iterable"
			}
		case "append", "extend", "insert", "update", "setdefault", "pop", "popitem", "clear", "remove", "sort", "reverse":
			// transformers' sandbox forbids changing lists and dicts: under this name the engine finds no method, and errs.
			if prev == "." && near(tokens, i, 1) == "(" {
				t.text = "immutable_" + t.text
			}
		case "split":
			if prev == "." && arguments(tokens, i) > 1 {
				return "", fmt.Errorf("split with a maximum is not supported: the engine ignores it; write it with a loop or slices")
			}
		case "}":
			out.WriteByte(' ') // two in a row would close the tag
		}
		if strings.HasPrefix(t.text, reserved) {
			return "", fmt.Errorf("name %q: names that begin with %s are the renderer's; choose another", t.text, reserved)
		}
		out.WriteString(t.text)
	}
	return out.String(), nil
}

// skipTo appends text to the next token that reads as want.
func skipTo(tokens []token, i int, want, text string) {
	for i++; i < len(tokens); i++ {
		if tokens[i].text == want {
			tokens[i].text += text
			return
		}
	}
}

// arguments counts the arguments of the call whose name stands at i.
func arguments(tokens []token, i int) int {
	if near(tokens, i, 1) != "(" || near(tokens, i, 2) == ")" {
		return 0
	}
	depth, n := 0, 1
	for _, t := range tokens[i+1:] {
		if t.string {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return n
			}
		case ",":
			if depth == 1 {
				n++
			}
		}
	}
	return n
}

// looksInto are the string methods and filters whose first argument is looked for.
var looksInto = map[string]bool{
	"startswith": true, "endswith": true, "split": true, "rsplit": true, "replace": true, "find": true, "rfind": true, "index": true,
	"count": true, "strip": true, "lstrip": true, "rstrip": true, "trim": true,
}

// collect gathers the string literals.
func (r *rewritten) collect(tokens []token, seen map[string]bool) {
	for i, t := range tokens {
		if t.text == "strftime_now" {
			r.usesDate = true
		}
		if !t.string {
			continue
		}
		s := unquote(t.text)
		if s != "" && (looksInto[near(tokens, i, -2)] || near(tokens, i, 1) == "in" || near(tokens, i, 1) == "not" && near(tokens, i, 2) == "in") {
			r.lookups = append(r.lookups, s)
		}
		if s != "" && !seen[s] {
			seen[s] = true
			r.literals = append(r.literals, s)
		}
	}
}

var escapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\'`, "'", `\"`, `"`)

func unquote(s string) string { return escapes.Replace(s[1 : len(s)-1]) }

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/longctx/pipeline/train/reward"
)

// A scoredLine is a response's record: what is scored, and the fields that are kept as they are.
type scoredLine struct {
	request reward.Request
	kept    []byte // the object without its closing brace and without the fields that are added
}

// added are the fields of a verdict, in order. Those in the input are replaced, so that what was
// scored can be scored again.
var added = []string{"reward", "rule_reward", "judge_reward", "answer", "reason"}

// parseLine reads an object strictly: no field twice, valid UTF-8, nothing after it.
func parseLine(raw []byte, dataSource string) (scoredLine, error) {
	l := scoredLine{request: reward.Request{DataSource: dataSource}, kept: make([]byte, 0, len(raw)+160)}
	l.kept = append(l.kept, '{')
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return l, notObject(err)
	}
	hasResponse := false
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return l, err
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return l, err
		}
		if slices.Contains(added, name) {
			continue
		}
		if len(l.kept) > 1 {
			l.kept = append(l.kept, ',')
		}
		if l.kept, err = jsontext.AppendQuote(l.kept, name); err != nil {
			return l, err
		}
		l.kept = append(append(l.kept, ':'), value...)
		hasResponse = hasResponse || name == "response"
		if err := l.field(name, value); err != nil {
			return l, fmt.Errorf("field %q: %w", name, err)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return l, err
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return l, errors.New("there is something after the object")
	}
	if !hasResponse {
		return l, errors.New(`no field "response"`)
	}
	return l, nil
}

func notObject(err error) error {
	if err != nil {
		return err
	}
	return errors.New("not a JSON object")
}

func (l *scoredLine) field(name string, value jsontext.Value) error {
	r := &l.request
	switch name {
	case "response":
		return json.Unmarshal(value, &r.Response)
	case "question":
		return text(value, &r.Question)
	case "data_source":
		if value.Kind() == 'n' {
			return nil
		}
		return json.Unmarshal(value, &r.DataSource)
	case "reference", "references", "answers":
		return references(value, &r.References)
	}
	return nil
}

// text reads a string, or null as the empty one.
func text(value jsontext.Value, to *string) error {
	if value.Kind() == 'n' {
		return nil
	}
	return json.Unmarshal(value, to)
}

// references reads one answer or a list of them; numbers and booleans are taken as they are
// written.
func references(value jsontext.Value, to *[]string) error {
	switch value.Kind() {
	case 'n':
		return nil
	case '[':
		var list []jsontext.Value
		if err := json.Unmarshal(value, &list); err != nil {
			return err
		}
		for _, v := range list {
			if v.Kind() == '[' {
				return errors.New("a list in a list")
			}
			if err := references(v, to); err != nil {
				return err
			}
		}
		return nil
	case '"':
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		*to = append(*to, s)
		return nil
	case '0':
		*to = append(*to, string(value))
		return nil
	case 't', 'f':
		*to = append(*to, map[jsontext.Kind]string{'t': "yes", 'f': "no"}[value.Kind()])
		return nil
	}
	return errors.New("neither a text nor a list of texts")
}

// append writes the object with its verdict, as a line.
func (l *scoredLine) append(dst []byte, v reward.Verdict) ([]byte, error) {
	dst = append(dst, l.kept...)
	if len(l.kept) > 1 {
		dst = append(dst, ',')
	}
	dst = appendNumber(append(dst, `"reward":`...), v.Reward)
	dst = appendNumber(append(dst, `,"rule_reward":`...), v.Rule)
	dst = appendNumber(append(dst, `,"judge_reward":`...), v.Judge)
	dst = append(dst, `,"answer":`...)
	if v.Answer == "" {
		dst = append(dst, "null"...)
	} else {
		var err error
		if dst, err = jsontext.AppendQuote(dst, v.Answer); err != nil {
			return nil, err
		}
	}
	dst = append(append(append(dst, `,"reason":"`...), v.Reason.String()...), '"', '}', '\n')
	return dst, nil
}

func appendNumber(dst []byte, n reward.Number) []byte {
	if !n.Known {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, float64(n.Value), 'g', -1, 32)
}

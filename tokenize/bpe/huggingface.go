package bpe

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// hfFile is the parts of a tokenizer.json, still as JSON.
type hfFile struct {
	addedTokens, normalizer, preTokenizer, postProcessor, model jsontext.Value
}

// parseHuggingFace reads a tokenizer.json.
func (t *Tokenizer) parseHuggingFace(data []byte) error {
	var f hfFile
	if err := f.read(data); err != nil {
		return err
	}
	var m hfModel
	if err := m.read(f.model); err != nil {
		return err
	}
	var err error
	if t.normalize, err = parseNormalizer("normalizer", f.normalizer); err != nil {
		return err
	}
	switch m.kind {
	case "BPE", "": // files older than the field type are BPE if they have merges
		t.kind = KindHuggingFace
		if err = t.parsePreTokenizer(f.preTokenizer); err == nil {
			err = t.buildBPE(&m)
		}
	case "WordLevel":
		t.kind = KindWordLevel
		if err = t.parseWords(f.preTokenizer); err == nil {
			err = t.buildWords(&m)
		}
	default:
		err = unsupported("model.type", fmt.Sprintf("model %q", m.kind), "byte-level BPE, WordLevel and tiktoken ranks are; the engine on daulet/tokenizers (build tag hf) does the others")
	}
	if err != nil {
		return err
	}
	if err := t.parseAdded(f.addedTokens, m.oddities, len(m.seen)); err != nil {
		return err
	}
	return t.parsePostProcessor("post_processor", f.postProcessor)
}

func (f *hfFile) read(data []byte) error {
	// Duplicate names are looked for where they matter; the decoder would keep a set of all 150,000.
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return atPointer(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return atPointer(err)
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return atPointer(err)
		}
		switch key {
		case "added_tokens":
			f.addedTokens = value.Clone()
		case "normalizer":
			f.normalizer = value.Clone()
		case "pre_tokenizer":
			f.preTokenizer = value.Clone()
		case "post_processor":
			f.postProcessor = value.Clone()
		case "model":
			f.model = value // the decoder reads from data itself, so that it stays
		case "version":
			if s := value.String(); s != `"1.0"` {
				return wrong("version", "%s is unknown; want \"1.0\"", s)
			}
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return atPointer(err)
	}
	if f.model == nil {
		return wrong("model", "missing: this is no tokenizer.json")
	}
	return nil
}

// atPointer words a syntax error with the key path where it lies.
func atPointer(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		path := keyPath(syntax.JSONPointer)
		if errors.Is(err, jsontextEOF) {
			return wrong(path, "the file ends at byte %d, in the middle: it is not whole", syntax.ByteOffset)
		}
		return wrong(path, "byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	return err
}

// keyPath writes a JSON pointer the way people read it. Example: /model/merges/17 is model.merges[17]
func keyPath(p jsontext.Pointer) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		switch {
		case tok != "" && strings.Trim(tok, "0123456789") == "":
			fmt.Fprintf(&b, "[%s]", tok)
		case b.Len() == 0:
			b.WriteString(tok)
		default:
			b.WriteString("." + tok)
		}
	}
	return b.String()
}

// decode reads a JSON value into v; an error has the key path, as seen from path.
func decode(path string, data jsontext.Value, v any) error {
	err := json.Unmarshal(data, v)
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if inner := keyPath(semantic.JSONPointer); strings.HasPrefix(inner, "[") {
			path += inner
		} else if inner != "" {
			path += "." + inner
		}
		return wrong(path, "want %s, not %s", semantic.GoType, strings.TrimSpace(kindName(semantic.JSONKind)+" "+short(semantic.JSONValue)))
	}
	return err
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "the string"
	case '0':
		return "the number"
	case 't', 'f':
		return "the value"
	}
	return "null"
}

func short(v []byte) string {
	if len(v) > 40 {
		return string(v[:40]) + "..."
	}
	return string(v)
}

// typed is the part that all components have.
type typed struct {
	Type string `json:"type"`
}

func typeOf(path string, data jsontext.Value) (string, error) {
	if len(data) == 0 || data.Kind() == 'n' {
		return "", nil
	}
	if data.Kind() != '{' {
		return "", wrong(path, "want an object, not %s %s", kindName(data.Kind()), short(data))
	}
	var v typed
	if err := decode(path, data, &v); err != nil {
		return "", err
	}
	if v.Type == "" {
		return "", wrong(path+".type", "missing")
	}
	return v.Type, nil
}

func parseNormalizer(path string, data jsontext.Value) (nfc bool, err error) {
	kind, err := typeOf(path, data)
	switch {
	case err != nil:
		return false, err
	case kind == "":
		return false, nil
	case kind == "NFC":
		return true, nil
	case kind == "Sequence":
		var v struct {
			Normalizers []jsontext.Value `json:"normalizers"`
		}
		if err := decode(path, data, &v); err != nil {
			return false, err
		}
		for i, part := range v.Normalizers {
			one, err := parseNormalizer(fmt.Sprintf("%s.normalizers[%d]", path, i), part)
			if err != nil {
				return false, err
			}
			nfc = nfc || one // NFC of NFC is NFC
		}
		return nfc, nil
	}
	return false, unsupported(path+".type", fmt.Sprintf("normalizer %q", kind), "NFC and none are; the engine on daulet/tokenizers (build tag hf) does the others")
}

// parsePostProcessor finds the tokens that AddSpecial puts around a text. Offsets are never trimmed here, so ByteLevel says nothing.
func (t *Tokenizer) parsePostProcessor(path string, data jsontext.Value) error {
	kind, err := typeOf(path, data)
	if err != nil {
		return err
	}
	switch kind {
	case "", "ByteLevel":
		return nil
	case "Sequence":
		var v struct {
			Processors []jsontext.Value `json:"processors"`
		}
		if err := decode(path, data, &v); err != nil {
			return err
		}
		for i, part := range v.Processors {
			if err := t.parsePostProcessor(fmt.Sprintf("%s.processors[%d]", path, i), part); err != nil {
				return err
			}
		}
		return nil
	case "TemplateProcessing":
		return t.parseTemplate(path, data)
	case "RobertaProcessing", "BertProcessing":
		var v struct {
			Sep [2]any `json:"sep"`
			Cls [2]any `json:"cls"`
		}
		if err := decode(path, data, &v); err != nil {
			return err
		}
		cls, ok1 := v.Cls[1].(float64)
		sep, ok2 := v.Sep[1].(float64)
		if !ok1 || !ok2 {
			return wrong(path, "want [token, id] for cls and sep")
		}
		t.before, t.after = append([]int32{int32(cls)}, t.before...), append(t.after, int32(sep))
		return nil
	}
	return unsupported(path+".type", fmt.Sprintf("post-processor %q", kind), "TemplateProcessing, ByteLevel and RobertaProcessing are")
}

func (t *Tokenizer) parseTemplate(path string, data jsontext.Value) error {
	type piece struct {
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Sequence *struct {
			ID string `json:"id"`
		} `json:"Sequence"`
	}
	var v struct {
		Single  []piece `json:"single"`
		Special map[string]struct {
			IDs []int32 `json:"ids"`
		} `json:"special_tokens"`
	}
	if err := decode(path, data, &v); err != nil {
		return err
	}
	var before, after []int32
	seen := false
	for i, p := range v.Single {
		switch {
		case p.Sequence != nil && seen:
			return unsupported(fmt.Sprintf("%s.single[%d]", path, i), "a text that comes twice", "mend the template")
		case p.Sequence != nil:
			seen = true
		case p.SpecialToken != nil:
			s, ok := v.Special[p.SpecialToken.ID]
			if !ok {
				return wrong(fmt.Sprintf("%s.single[%d]", path, i), "the token %q is not in %s.special_tokens", p.SpecialToken.ID, path)
			}
			if seen {
				after = append(after, s.IDs...)
			} else {
				before = append(before, s.IDs...)
			}
		}
	}
	if !seen {
		return wrong(path+".single", "the text itself is not in it")
	}
	t.before, t.after = append(before, t.before...), append(t.after, after...)
	return nil
}

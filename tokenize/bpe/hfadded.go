package bpe

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// parseAdded reads the added tokens and gives them ids as the reference does: that of the vocabulary if it has the content,
// else the next one. A file that says another id would silently get other ids there, and is an error here.
func (t *Tokenizer) parseAdded(data jsontext.Value, oddities map[string]int32, vocabSize int) error {
	if len(data) == 0 || data.Kind() == 'n' {
		return nil
	}
	var list []struct {
		ID         *int64  `json:"id"`
		Content    *string `json:"content"`
		SingleWord bool    `json:"single_word"`
		LStrip     bool    `json:"lstrip"`
		RStrip     bool    `json:"rstrip"`
		Normalized bool    `json:"normalized"`
		Special    bool    `json:"special"`
	}
	if err := decode("added_tokens", data, &list); err != nil {
		return err
	}
	all := make([]AddedToken, 0, len(list))
	byContent := make(map[string]int, len(list))
	byID := make(map[int32]int, len(list))
	next := int32(vocabSize)
	for i, a := range list {
		path := fmt.Sprintf("added_tokens[%d]", i)
		switch {
		case a.Content == nil || *a.Content == "":
			return wrong(path+".content", "missing or empty")
		case a.ID == nil:
			return wrong(path+".id", "missing")
		}
		if j, ok := byContent[*a.Content]; ok {
			return wrong(path+".content", "%q is that of added_tokens[%d]", *a.Content, j)
		}
		id, inVocab := t.vocabID(*a.Content, oddities)
		if !inVocab {
			id = next
			next++
		}
		if int64(id) != *a.ID {
			if inVocab {
				return wrong(path+".id", "%q is %d in model.vocab, not %d", *a.Content, id, *a.ID)
			}
			return wrong(path+".id", "%q has %d, but %d comes next: ids of added tokens follow the vocabulary without holes", *a.Content, *a.ID, id)
		}
		if j, ok := byID[id]; ok {
			return wrong(path+".id", "%d is that of added_tokens[%d]", id, j)
		}
		byContent[*a.Content], byID[id] = i, i
		all = append(all, AddedToken{id, *a.Content, a.SingleWord, a.LStrip, a.RStrip, a.Normalized, a.Special})
	}
	t.added = newAddedSet(all, t.normalize)
	return nil
}

// vocabID finds a token of the vocabulary by its name in the file.
func (t *Tokenizer) vocabID(content string, oddities map[string]int32) (int32, bool) {
	if id, ok := oddities[content]; ok {
		return id, true
	}
	if t.vocab == nil || t.words != nil {
		return -1, false
	}
	raw, ok := fromByteChars(nil, []byte(content))
	if !ok {
		return -1, false
	}
	id, _ := t.vocab.find(string(raw))
	return id, id >= 0
}

package documents

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	readability "codeberg.org/readeck/go-readability/v2"
	"github.com/ledongthuc/pdf"
)

// readers turn the bytes of a file into its text, by extension.
var readers = map[string]func([]byte) (string, error){
	".txt": plain, ".text": plain, ".md": plain, ".markdown": plain,
	".html": page, ".htm": page, ".xhtml": page,
	".pdf": PDFText,
}

// Extensions returns the extensions of the files that are documents.
func Extensions() []string { return slices.Sorted(maps.Keys(readers)) }

var (
	errUTF8   = errors.New("it is not valid UTF-8")
	errNoText = errors.New("no readable text was found in it")
)

func plain(data []byte) (string, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return "", errUTF8
	}
	return string(data), nil
}

// page returns title and article of an HTML page.
func page(data []byte) (text string, err error) {
	defer recovered(&err)
	article, err := readability.FromReader(bytes.NewReader(data), &url.URL{})
	if err != nil {
		return "", err
	}
	if article.Node == nil {
		return "", errNoText
	}
	var b strings.Builder
	if title := strings.TrimSpace(article.Title()); title != "" {
		b.WriteString(title + "\n\n")
	}
	if err := article.RenderText(&b); err != nil {
		return "", err
	}
	return strings.ToValidUTF8(strings.TrimSpace(b.String()), "\ufffd"), nil
}

// PDFText returns the text of a PDF's pages, with a blank line between. Damaged bytes can keep the
// library busy for ever, or exhaust the stack: Options.PDF is for a caller who has a process for it.
func PDFText(data []byte) (text string, err error) {
	defer recovered(&err)
	r, err := pdf.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	var all []string
	fonts := map[string]*pdf.Font{}
	for i := range r.NumPage() {
		p := r.Page(i + 1)
		if p.V.IsNull() {
			continue
		}
		clear(fonts) // names of fonts are a page's own
		for _, name := range p.Fonts() {
			f := p.Font(name)
			fonts[name] = &f
		}
		text, err := p.GetPlainText(fonts)
		if err != nil {
			return "", fmt.Errorf("page %d: %w", i+1, err)
		}
		if text = strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd")); text != "" {
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%w; a scanned PDF has to go through OCR first", errNoText)
	}
	return strings.Join(all, "\n\n"), nil
}

// recovered turns a panic of a library over damaged bytes into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it is damaged: %v", r)
	}
}

package documents

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longctx/pipeline/dataset"
)

// folder writes files and opens their folder.
func folder(t testing.TB, files map[string]string) *Folder {
	t.Helper()
	f, err := Open(t.Context(), write(t, files), Options{Maximum: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pdfOf makes a PDF with one line of text a page, "" for a page without text.
func pdfOf(lines ...string) string {
	var b bytes.Buffer
	var offsets []int
	object := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n"+format+"\nendobj\n", append([]any{len(offsets)}, args...)...)
	}
	b.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	var kids []string
	for i := range lines {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*i))
	}
	object("<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), len(lines))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	for i, line := range lines {
		content := "0 0 10 10 re f"
		if line != "" {
			content = fmt.Sprintf("BT /F1 12 Tf 72 720 Td (%s) Tj ET", line)
		}
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5+2*i)
		object("<< /Length %d >>\nstream\n%s\nendstream", len(content), content)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref)
	return b.String()
}

const article = `<html><head><title>The Tide Tables</title><script>var x = "hidden";</script></head><body>
<nav><a href="/">Home</a> <a href="/shop">Buy now</a></nav>
<article><h1>The Tide Tables</h1>
<p>The harbour was built in 1871 by Ada Keller, who had studied the tides of the northern coast for many years, and wrote three books on them.</p>
<p>Its lighthouse came later, in 1902, when the second pier was finished &amp; the railway arrived from the south with coal.</p></article>
<footer>Cookies and imprint</footer></body></html>`

func TestEachKindOfFileBecomesItsText(t *testing.T) {
	f := folder(t, map[string]string{
		"a.txt": "\ufeffPlain  text\n", "b.MD": "# A *mark*", "deep/er/c.html": article, "d.pdf": pdfOf("The first page", "", "The last page"),
	})
	for name, want := range map[string]string{
		"a.txt": "Plain  text\n", "b": "# A *mark*", "d.pdf": "The first page\n\nThe last page",
	} {
		if got, bad := f.Text(name); got != want || bad != nil {
			t.Errorf("%s: %q, %v", name, got, bad)
		}
	}
	html, bad := f.Text("deep/er/c")
	if bad != nil {
		t.Fatal(bad)
	}
	for _, want := range []string{"The Tide Tables\n\n", "built in 1871 by Ada Keller", "finished & the railway"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q:\n%s", want, html)
		}
	}
	for _, not := range []string{"hidden", "Buy now", "imprint", "<p>"} {
		if strings.Contains(html, not) {
			t.Errorf("the page still has %q:\n%s", not, html)
		}
	}
}

func TestWhatCannotBeReadHasAReason(t *testing.T) {
	root := write(t, map[string]string{
		"bad.txt": "a\xffb", "broken.pdf": pdfOf("x")[:200], "scan.pdf": pdfOf("", ""), "empty.html": "<html></html>",
		"two.txt": "1", "two.md": "2", "long.txt": strings.Repeat("x", 101), ".hidden.txt": "h", ".git/x.txt": "g", "figure.png": "p",
	})
	if err := os.WriteFile(filepath.Join(filepath.Dir(root), "outside.txt"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), root, Options{Maximum: 5000})
	if err != nil {
		t.Fatal(err)
	}
	const small = 100
	for name, want := range map[string]dataset.Reason{
		"bad.txt": dataset.ReasonInvalidUTF8, "long": dataset.ReasonTooLarge, "two": dataset.ReasonMissingDocument,
		"none": dataset.ReasonMissingDocument, "../outside.txt": dataset.ReasonMissingDocument, "../outside": dataset.ReasonMissingDocument,
		".hidden.txt": dataset.ReasonMissingDocument, ".git/x.txt": dataset.ReasonMissingDocument, "figure.png": dataset.ReasonMissingDocument,
		"broken": dataset.ReasonUnreadableDocument, "scan": dataset.ReasonUnreadableDocument, "empty": dataset.ReasonUnreadableDocument, "": dataset.ReasonMissingDocument,
	} {
		f.options.Maximum = small
		if strings.HasSuffix(string(want), "unreadable_document") {
			f.options.Maximum = 5000
		}
		text, bad := f.Text(name)
		if bad == nil || bad.Reason != want || text != "" {
			t.Errorf("%q: %q, %v; want %s", name, text, bad, want)
		}
	}
	if _, bad := f.Text("scan"); !strings.Contains(bad.Detail, "OCR") {
		t.Errorf("a scan: %v", bad)
	}
	if text, bad := f.Text("two.md"); text != "2" || bad != nil {
		t.Errorf("by its extension: %q, %v", text, bad)
	}
}

func TestAFolderIsItsNamesAndContents(t *testing.T) {
	files := map[string]string{"a.txt": "one", "b.txt": "two"}
	id := folder(t, files).Identity
	if again := folder(t, files).Identity; again != id {
		t.Errorf("%+v and %+v", id, again)
	}
	for what, other := range map[string]map[string]string{
		"another text": {"a.txt": "One", "b.txt": "two"}, "another name": {"a.txt": "one", "c.txt": "two"}, "swapped": {"a.txt": "two", "b.txt": "one"},
	} {
		if folder(t, other).Identity == id {
			t.Errorf("%s is the same folder", what)
		}
	}
	if _, err := Open(t.Context(), write(t, map[string]string{"x.png": ""}), Options{}); err == nil || !strings.Contains(err.Error(), ".markdown") {
		t.Errorf("a folder without documents: %v", err)
	}
}

func TestADocumentThatChangedIsNoticed(t *testing.T) {
	f := folder(t, map[string]string{"a.txt": "one", "b.txt": "two"})
	if err := os.Chtimes(filepath.Join(f.root, "b.txt"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, bad := f.Text("a"); bad != nil || f.Err() != nil {
		t.Errorf("an unchanged one: %v, %v", bad, f.Err())
	}
	if _, bad := f.Text("b"); bad == nil || !errors.Is(f.Err(), ErrChanged) {
		t.Errorf("%v, %v", bad, f.Err())
	}
}

func TestManyReadersSeeOneTextAndTheCacheIsBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("%d.txt", i)] = strings.Repeat(fmt.Sprint(i), 1000)
	}
	f := folder(t, files)
	f.options.Maximum = CacheBytes
	f.cache.bytes = CacheBytes - 5000 // room for a few
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("%d.txt", i%20)
				if text, bad := f.Text(name); bad != nil || text != files[name] {
					t.Errorf("%s: %d bytes, %v", name, len(text), bad)
				}
			}
		})
	}
	wg.Wait()
	if len(f.cache.entries) > 6 || len(f.cache.entries) != len(f.cache.order) || f.cache.bytes > CacheBytes {
		t.Errorf("%d texts are kept, %d bytes", len(f.cache.entries), f.cache.bytes)
	}
}

func TestPDFsGoWhereTheyAreSent(t *testing.T) {
	root := write(t, map[string]string{"a.pdf": "bytes", "b.txt": "text"})
	f, err := Open(t.Context(), root, Options{Maximum: 100, PDF: func(data []byte) (string, error) { return "read " + string(data), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if text, bad := f.Text("a"); text != "read bytes" || bad != nil {
		t.Errorf("%q, %v", text, bad)
	}
	if text, bad := f.Text("b"); text != "text" || bad != nil {
		t.Errorf("%q, %v", text, bad)
	}
}

// Whatever the bytes are, a page gives valid text or an error. PDFs are not tried here: they are
// read in a process of their own because some never end.
func FuzzPage(f *testing.F) {
	f.Add([]byte(article))
	f.Add([]byte("<p>plain"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if text, err := page(data); err == nil && text != strings.ToValidUTF8(text, "") {
			t.Errorf("not valid UTF-8: %q", text)
		}
	})
}

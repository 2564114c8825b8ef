package cli

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestChild is no test: it is the process that the next test starts.
func TestChild(t *testing.T) {
	data := []byte(nil)
	if mode := os.Getenv("PDF_CHILD"); mode != "" {
		data, _ = io.ReadAll(os.Stdin)
		switch mode {
		case "text":
			os.Stdout.Write(append([]byte("text of "), data...))
			os.Exit(0)
		case "error":
			os.Stderr.WriteString("pipeline: error: no such page\nmore\n")
			os.Exit(1)
		case "hang":
			select {}
		}
	}
}

func TestAPDFThatCrashesOrHangsItsReaderIsAnError(t *testing.T) {
	for mode, want := range map[string]struct {
		text, err string
		limit     time.Duration
	}{
		"text": {text: "text of bytes", limit: time.Minute}, "error": {err: "no such page", limit: time.Minute},
		"hang": {err: "had no end after 100ms", limit: 100 * time.Millisecond},
	} {
		t.Setenv("PDF_CHILD", mode)
		text, err := runPDF(os.Args[0], []string{os.Args[0], "-test.run=^TestChild$"}, want.limit, []byte("bytes"))
		if text != want.text || (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%s: %q, %v", mode, text, err)
		}
	}
}

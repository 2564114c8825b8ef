package report

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/audit"
	"github.com/longctx/pipeline/sample/audit/rehearsal"
	"github.com/longctx/pipeline/sample/history"
)

// facts are those of a rehearsal. Tests that change them make their own with rehearse.
var facts = sync.OnceValue(func() *audit.Facts { return rehearse(150) })

func rehearse(n int) *audit.Facts {
	ctx := context.Background()
	fsys := faultfs.New()
	samples := rehearsal.Samples(n, 7)
	m, err := rehearsal.Dataset(fsys, samples)
	if err != nil {
		panic(err)
	}
	o := rehearsal.DefaultOptions()
	o.Batch = 16
	if err := rehearsal.Write(ctx, fsys, samples, o); err != nil {
		panic(err)
	}
	snap, err := history.Read(fsys)
	if err != nil {
		panic(err)
	}
	f, err := audit.Run(ctx, fsys, m, snap, audit.Defaults())
	if err != nil {
		panic(err)
	}
	return f
}

func write(t *testing.T, f *audit.Facts) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, Options{Name: "data"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostile is what documents, ids and runs may hold.
const hostile = `</script><script>alert(1)</script></style><img src=x onerror=alert(2)>" onmouseover="alert(3)' -->]]>{{.}}` +
	"\x00\x1b[31m\u202e\u2066\u200b\u2028" + `javascript:alert(4)</title></textarea></details></svg>`

func TestHostileTextStaysText(t *testing.T) {
	f := rehearse(40)
	for i := range f.Samples {
		s := &f.Samples[i]
		s.SourceID, s.Source, s.DataSource = hostile, hostile, hostile
		if s.Again != nil {
			s.Again.Reason = hostile
		}
	}
	for i := range f.Sets {
		if f.Sets[i].By != audit.ByPhase {
			f.Sets[i].Name = hostile
		}
	}
	for _, d := range f.Details {
		d.Question, d.Context, d.Answers = hostile, hostile, []string{hostile}
		d.Responses = []audit.Response{{Stop: hostile, Tail: hostile}}
	}
	for i := range f.History.Runs {
		f.History.Runs[i].Name = hostile
	}
	for i := range f.History.Measurements {
		f.History.Measurements[i].Run, f.History.Measurements[i].Judge = hostile, hostile
	}
	f.History.Refused = map[string]int64{hostile: 3}
	f.Judge.Tasks = []audit.JudgeTask{{DataSource: hostile, Rollouts: 1}}
	f.Judge.Judges = []audit.JudgeName{{Judge: hostile}}
	f.Judge.Stops = []audit.StopCount{{Reason: hostile, Rollouts: 1}}
	f.Findings = append(f.Findings, audit.Finding{Level: audit.Look, Text: hostile, Hint: hostile})
	f.Plans = []audit.PlanFacts{{ID: strings.Repeat("0", 32), Drawn: []audit.ReasonCount{{Reason: hostile}}, Refused: []audit.ReasonCount{{Gate: hostile, Reason: hostile}}}}
	var b bytes.Buffer
	if err := Write(&b, f, Options{Name: hostile, Date: hostile}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("the page has %d scripts", n)
	}
	for _, r := range "\x00\x1b\u202e\u2066\u200b\u2028" {
		if strings.ContainsRune(page, r) {
			at := strings.IndexRune(page, r)
			t.Errorf("%U reached the page: %.80q", r, page[max(at-40, 0):])
		}
	}
	if !strings.Contains(page, "⟨U&#43;202E⟩") || !strings.Contains(page, "␀") {
		t.Error("hidden characters are not spelled out")
	}
	for _, e := range elements(t, page) {
		for _, a := range e.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.Contains(a.Val, "javascript:") && a.Key == "href" {
				t.Errorf("<%s> has %s=%q", e.Data, a.Key, a.Val)
			}
		}
		if e.Data == "img" || e.Data == "textarea" {
			t.Errorf("the page has a <%s>", e.Data)
		}
	}
}

// elements returns all start tags, as a browser would read them.
func elements(t *testing.T, page string) (all []html.Token) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return all
		case html.StartTagToken, html.SelfClosingTagToken:
			all = append(all, z.Token())
		}
	}
}

func TestThePageAsksNobodyForAnything(t *testing.T) {
	page := write(t, facts())
	for _, e := range elements(t, page) {
		for _, a := range e.Attr {
			outside := a.Key == "src" || a.Key == "srcset" || a.Key == "action" || a.Key == "xlink:href" || a.Key == "href" && !strings.HasPrefix(a.Val, "#")
			if outside || e.Data == "link" || e.Data == "iframe" || e.Data == "object" {
				t.Errorf("<%s %s=%q> leads out of the page", e.Data, a.Key, a.Val)
			}
		}
	}
	if strings.Contains(page, "url(") || strings.Contains(page, "@import") || strings.Contains(page, "http") && regexp.MustCompile(`https?://`).MatchString(page) {
		t.Error("the page names an address")
	}
}

// The policy holds hashes of style and script: one byte more in the page and neither runs.
func TestThePolicyKnowsTheStyleAndTheScriptOfThePage(t *testing.T) {
	page := write(t, facts())
	for tag, text := range map[string]string{
		"style":  page[strings.Index(page, "<style>")+len("<style>") : strings.Index(page, "</style>")],
		"script": page[strings.Index(page, "<script>")+len("<script>") : strings.Index(page, "</script>")],
	} {
		if want := fmt.Sprintf("%s-src &#39;%s&#39;", tag, strings.ReplaceAll(hashOf(text), "+", "&#43;")); !strings.Contains(page, want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if strings.Contains(page, "unsafe") {
		t.Error("the policy allows what is unsafe")
	}
}

func TestLinksLeadSomewhereAndIDsAreUnique(t *testing.T) {
	page := write(t, facts())
	ids := map[string]bool{}
	all := elements(t, page)
	for _, e := range all {
		for _, a := range e.Attr {
			if a.Key == "id" {
				if ids[a.Val] {
					t.Errorf("id %q is there twice", a.Val)
				}
				ids[a.Val] = true
			}
		}
	}
	links := 0
	for _, e := range all {
		for _, a := range e.Attr {
			switch {
			case a.Key == "href":
				links++
				if !ids[strings.TrimPrefix(a.Val, "#")] {
					t.Errorf("a link leads to %q, which is not there", a.Val)
				}
			case a.Key == "aria-labelledby":
				for id := range strings.FieldsSeq(a.Val) {
					if !ids[id] {
						t.Errorf("a label is %q, which is not there", id)
					}
				}
			}
		}
	}
	if links < 150 {
		t.Errorf("only %d links", links)
	}
}

func TestTheSameFactsGiveTheSamePage(t *testing.T) {
	if a, b := write(t, rehearse(40)), write(t, rehearse(40)); a != b {
		t.Error("two pages of the same facts differ")
	}
}

func TestAPageWithoutHistorySaysUnknownAndDrawsNothing(t *testing.T) {
	fsys := faultfs.New()
	m, err := rehearsal.Dataset(fsys, rehearsal.Samples(20, 1))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := history.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	f, err := audit.Run(t.Context(), fsys, m, snap, audit.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	page := write(t, f)
	for _, want := range []string{"There is no reward history", "unknown", "The history has no outcome."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, `class="plot"`) {
		t.Error("it draws what nobody knows")
	}
}

// large makes up facts of n samples, with the longest texts that an audit keeps.
func large(n int) *audit.Facts {
	rng := rand.New(rand.NewPCG(1, 1))
	f := &audit.Facts{Thresholds: audit.Defaults().Thresholds, Details: map[int32]*audit.Detail{}}
	f.Dataset.ID, f.History.Snapshot = strings.Repeat("a", 32), strings.Repeat("b", 32)
	f.Totals.Samples = int64(n)
	f.Samples = make([]audit.Sample, n)
	text := strings.Repeat("長<&", 120)
	for i := range f.Samples {
		s := &f.Samples[i]
		binary.BigEndian.PutUint64(s.ID[:], rng.Uint64())
		s.SourceID, s.Source, s.DataSource, s.Phase, s.PromptLength = text, text, text, 1, 20000
		s.State, s.Visits, s.Rollouts = audit.Learning, 24, 192
		s.Estimate = audit.Estimate{Mean: 0.5, Lower: 0.25, Upper: 0.75, N: 192}
		s.Change = audit.Change{From: s.Estimate, To: s.Estimate, By: 0.1, Lower: 0.05, Upper: 0.2}
		s.Again = &audit.Again{Phase: 2, Change: s.Change, Reason: text}
		for _, list := range []*[]int32{&f.Hardest, &f.Unlearnable, &f.Solved, &f.NeverVisited, &f.Moved, &f.Disagreed, &f.Again} {
			*list = append(*list, int32(i))
		}
	}
	for i := range min(n, 2000) {
		d := &audit.Detail{Question: text, Context: text, Answers: []string{text, text, text}, TextKnown: true}
		d.Visits = make([]audit.Visit, 24)
		d.Responses = make([]audit.Response, 3)
		for r := range d.Responses {
			d.Responses[r].Tail = text
		}
		f.Details[int32(i)] = d
	}
	for i := range 5000 {
		f.Sets = append(f.Sets, audit.Set{By: audit.BySource, Name: fmt.Sprint(text, i), Samples: 20})
	}
	return f
}

func TestThePageOfTheWorstTextsStaysUnder5MB(t *testing.T) {
	for _, n := range []int{2000, 100_000} {
		page := write(t, large(n))
		if len(page) > 5_000_000 {
			t.Errorf("%d samples: %d bytes", n, len(page))
		}
		if left := "more are left out"; n > 2000 && !strings.Contains(page, left) {
			t.Errorf("%d samples: nothing says that some are left out", n)
		}
		t.Logf("%d samples: %d bytes", n, len(page))
	}
}

func TestEveryTableHasACaptionAndHeads(t *testing.T) {
	page := write(t, facts())
	tables := regexp.MustCompile(`(?s)<table.*?</table>`).FindAllString(page, -1)
	if len(tables) < 12 {
		t.Errorf("only %d tables", len(tables))
	}
	for _, table := range tables {
		if !strings.Contains(table, "<caption>") || !strings.Contains(table, `scope="col"`) {
			t.Errorf("a table without caption or heads: %.200s", table)
		}
		rows := strings.Split(table, "<tr>")
		columns := strings.Count(rows[1], "<th ")
		for _, row := range rows[2:] {
			if n := strings.Count(row, "<td") + strings.Count(row, "<th "); n != columns {
				t.Errorf("a row has %d cells under %d heads: %.300s", n, columns, row)
			}
		}
	}
}

package build

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/zeebo/xxh3"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest/clean"
	"github.com/longctx/pipeline/ingest/dedup"
)

// Files of a finished split where near duplicates are looked for.
const (
	nearFile       = "near.parquet"       // a row a sample, as in ids.parquet
	signaturesFile = "signatures.parquet" // a row a document of the split
)

// A nearRow is what commit must know of a sample to settle near duplicates, and to file it.
type nearRow struct {
	Document int32  `parquet:"document"` // row of its document in the split's signatures; -1: it has no word
	Claim    int64  `parquet:"claim"`
	Line     int64  `parquet:"line"`
	Offset   int64  `parquet:"byte_offset"`
	Source   string `parquet:"source,dict"`
	SourceID string `parquet:"source_id,optional"`
	Excerpt  string `parquet:"excerpt"`
}

type signatureRow struct {
	Document  [16]byte          `parquet:"document"`
	Signature [dedup.Bytes]byte `parquet:"signature"`
}

// nearRows collects those rows for one split.
type nearRows struct {
	samples    []nearRow
	documents  map[xxh3.Uint128]int32
	signatures []signatureRow
}

func (n *nearRows) add(s dataset.Sample, p dataset.Place, near clean.Near) {
	row := nearRow{
		Document: -1, Claim: int64(near.Claim), Line: p.Line, Offset: p.Offset,
		Source: clone(s.Source), SourceID: clone(s.SourceID), Excerpt: clean.Excerpt(&s),
	}
	if !near.Empty {
		at, ok := n.documents[near.Document]
		if !ok {
			at = int32(len(n.signatures))
			n.documents[near.Document] = at
			r := signatureRow{Document: near.Document.Bytes()}
			near.Signature.Append(r.Signature[:0])
			n.signatures = append(n.signatures, r)
		}
		row.Document = at
	}
	n.samples = append(n.samples, row)
}

func (n *nearRows) write(fsys dataset.FS, dir string, r *splitResult) error {
	for _, write := range []func() (dataset.File, error){
		func() (dataset.File, error) { return writeRows(fsys, dir, nearFile, n.samples) },
		func() (dataset.File, error) { return writeRows(fsys, dir, signaturesFile, n.signatures) },
	} {
		f, err := write()
		if err != nil {
			return err
		}
		r.Files = append(r.Files, f)
	}
	return nil
}

// writeRows writes a small table of a split and returns it under its name in the folder.
func writeRows[R any](fsys dataset.FS, dir, name string, rows []R) (dataset.File, error) {
	f, err := dataset.CreateHashed(fsys, path.Join(dir, name))
	if err != nil {
		return dataset.File{}, err
	}
	w := parquet.NewGenericWriter[R](f, parquet.Compression(&parquet.Zstd))
	if _, err = w.Write(rows); err == nil {
		err = w.Close()
	}
	if err != nil {
		f.Abort()
		return dataset.File{}, err
	}
	file, err := f.Finish()
	file.Path = name
	return file, err
}

func readAll[R any](fsys dataset.FS, name string) ([]R, error) {
	var all []R
	for rows, err := range dataset.ReadRows[R](fsys, name) {
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// A nearDrop is one near duplicate: 16 bytes each, until it is filed.
type nearDrop struct {
	row        int32 // of the split's samples
	kept       int32 // number of the kept sample in near.kept
	similarity float64
}

// near settles near duplicates, after exact ones: the lowest (split, row) stays. A sample is
// only ever dropped for one that stays, so what is like a dropped sample and unlike the kept one
// stays too.
type near struct {
	*committer
	index    *dedup.Index
	repeated []uint64             // claims of two samples or more, sorted; by document nil
	seen     map[[16]byte]outcome // by document
	kept     [][16]byte           // [index] sample id
	drops    map[int][]nearDrop   // [split]
}

// An outcome is what became of a document.
type outcome struct {
	kept       int32
	similarity float64 // 0: it is the kept one
}

func (c *committer) settleNear(ctx context.Context) error {
	if c.first() != dataset.StageIngest || c.Clean.NearDedup == 0 {
		return nil
	}
	n := &near{committer: c, drops: map[int][]nearDrop{}}
	texts, err := n.count(ctx)
	if err != nil {
		return err
	}
	if n.index, err = dedup.NewIndex(c.Clean.NearDedup, texts); err != nil {
		return err
	}
	for i := range c.results {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := n.split(i); err != nil {
			return fmt.Errorf("split %d: %w", i, err)
		}
	}
	c.near = n
	return nil
}

// count finds out how many texts the index will have to take at most. By sample, only claims that
// are repeated need one: nearly all are not.
func (n *near) count(ctx context.Context) (texts int, err error) {
	if n.Clean.NearDedupBy == clean.ByDocument {
		n.seen = map[[16]byte]outcome{}
		return 0, nil
	}
	type claimRow struct {
		Claim int64 `parquet:"claim"`
	}
	var claims []uint64
	for i := range n.results {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		for rows, err := range dataset.ReadRows[claimRow](n.Output, path.Join(splitDir(i), nearFile)) {
			if err != nil {
				return 0, err
			}
			for _, r := range rows {
				claims = append(claims, uint64(r.Claim))
			}
		}
	}
	slices.Sort(claims)
	for i, c := range claims {
		if i > 0 && c == claims[i-1] {
			texts++
			if len(n.repeated) == 0 || n.repeated[len(n.repeated)-1] != c {
				n.repeated = append(n.repeated, c)
				texts++
			}
		}
	}
	return texts, nil
}

// split settles the samples of one split.
func (n *near) split(i int) error {
	dir := splitDir(i)
	ids, err := readAll[idRow](n.Output, path.Join(dir, idsFile))
	if err != nil {
		return err
	}
	samples, err := readAll[nearRow](n.Output, path.Join(dir, nearFile))
	if err != nil {
		return err
	}
	signatures, err := readAll[signatureRow](n.Output, path.Join(dir, signaturesFile))
	if err != nil {
		return err
	}
	if len(samples) != len(ids) {
		return fmt.Errorf("%s: %w: %d rows for %d samples", nearFile, dataset.ErrCorrupt, len(samples), len(ids))
	}
	for row, s := range samples {
		if s.Document < 0 || n.drop[i][hex.EncodeToString(ids[row].ID[:])] {
			continue
		}
		if int(s.Document) >= len(signatures) {
			return fmt.Errorf("%s: %w: row %d has no signature", nearFile, dataset.ErrCorrupt, row)
		}
		o := n.outcomeOf(ids[row].ID, uint64(s.Claim), &signatures[s.Document])
		if o.similarity > 0 {
			n.dropRow(i, ids[row], dataset.ReasonNearDuplicate)
			n.drops[i] = append(n.drops[i], nearDrop{int32(row), o.kept, o.similarity})
		}
	}
	return nil
}

func (n *near) outcomeOf(id [16]byte, claim uint64, doc *signatureRow) outcome {
	if n.seen == nil {
		if _, ok := slices.BinarySearch(n.repeated, claim); !ok {
			return outcome{}
		}
	} else if o, ok := n.seen[doc.Document]; ok {
		return o
	}
	signature, _ := dedup.SignatureOf(doc.Signature[:])
	kept, similarity, found := n.index.Add(&signature, claim)
	if !found {
		n.kept = append(n.kept, id)
	}
	o := outcome{int32(kept), similarity}
	if n.seen != nil {
		n.seen[doc.Document] = o
	}
	return o
}

// rejects returns the split's near duplicates as they go to quarantine.
func (n *near) rejects(i int) ([]dataset.Reject, error) {
	if n == nil || len(n.drops[i]) == 0 {
		return nil, nil
	}
	samples, err := readAll[nearRow](n.Output, path.Join(splitDir(i), nearFile))
	if err != nil {
		return nil, err
	}
	ids, err := readAll[idRow](n.Output, path.Join(splitDir(i), idsFile))
	if err != nil {
		return nil, err
	}
	var out []dataset.Reject
	for _, d := range n.drops[i] {
		s, kept := samples[d.row], hex.EncodeToString(n.kept[d.kept][:])
		out = append(out, dataset.Reject{
			Stage: string(dataset.StageIngest), Source: s.Source, Line: s.Line + n.m.Splits[i].FirstLine, Offset: s.Offset,
			SourceID: s.SourceID, SampleID: hex.EncodeToString(ids[d.row].ID[:]), Reason: dataset.ReasonNearDuplicate,
			Detail:  fmt.Sprintf("its document is %.3f similar to that of sample %s, which stays", d.similarity, kept),
			Excerpt: s.Excerpt, Evidence: &dataset.Evidence{KeptSampleID: kept, Similarity: math.Round(1000*d.similarity) / 1000},
		})
	}
	return out, nil
}

func clone(s string) string { return strings.Clone(s) }

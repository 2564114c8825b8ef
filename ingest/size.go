package ingest

// SplitBytes returns about how many bytes of its input split i reads: what a progress bar counts.
func (p *Plan) SplitBytes(i int) int64 {
	s := p.Splits[i]
	in := p.Inputs[s.Input]
	if in.inLines() {
		return s.End - s.Start
	}
	return in.Bytes / in.splits
}

package decode

// lanes is the width of a panel: what one AVX-512 register or two of AVX2 hold.
const lanes = 16

// roundUp is the next multiple of lanes.
func roundUp(n int) int { return (n + lanes - 1) / lanes * lanes }

// panels is a matrix cut for the kernel: panel p holds columns 16p to 16p+15, row by row.
// Panels lie stride floats apart, so that a cache can grow in them.
type panels struct {
	data   []float32
	count  int // panels
	stride int
}

func newPanels(in, out int) panels {
	n := roundUp(out) / lanes
	return panels{make([]float32, n*in*lanes), n, in * lanes}
}

// set puts one value at row i, column j.
func (p panels) set(i, j int, x float32) { p.data[j/lanes*p.stride+i*lanes+j%lanes] = x }

// blockRows bounds the rows of a panel that a pass uses, so that they stay in the first-level
// cache while the batch goes over them.
const blockRows = 384

// multiply is y = x times m, or y += where add says so: n rows of x, k values each, ldx apart;
// y has rows of 16 x m.count values, ldy apart.
func multiply(y []float32, ldy int, x []float32, ldx, n, k int, m panels, add bool) {
	for from := 0; from < k; from += blockRows {
		size := min(blockRows, k-from)
		part := panels{m.data[from*lanes:], m.count, m.stride}
		multiplyBlock(y, ldy, x[from:], ldx, n, size, part, add || from > 0)
	}
}

func multiplyBlock(y []float32, ldy int, x []float32, ldx, n, k int, m panels, add bool) {
	row := 0
	for ; row+tileRows <= n; row += tileRows {
		for p := range m.count {
			tile(y[row*ldy+p*lanes:], ldy, x[row*ldx:], ldx, m.data[p*m.stride:], k, add)
		}
	}
	for ; row < n; row++ {
		xs, ys := x[row*ldx:row*ldx+k], y[row*ldy:]
		p := 0
		for ; p+4 <= m.count; p += 4 {
			rowBy4(ys[p*lanes:], xs, m.data[p*m.stride:], m.stride, add)
		}
		for ; p < m.count; p++ {
			rowBy1(ys[p*lanes:], xs, m.data[p*m.stride:], add)
		}
	}
}

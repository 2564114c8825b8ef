package service

import "sync"

// An answer is what became of one batch.
type answer struct {
	ack Acknowledgement
	err error
}

// answers collects the answers of one call until they are sent. Who adds one does not wait for
// the client: it may be the writer that all clients share.
type answers struct {
	ready chan struct{} // there are some

	mu      sync.Mutex
	batches int // without an answer that was taken
	waiting []answer
}

func newAnswers() *answers { return &answers{ready: make(chan struct{}, 1)} }

// owe says that a batch came.
func (a *answers) owe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.batches++
}

// owed returns how many batches wait for their answer.
func (a *answers) owed() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.batches
}

func (a *answers) add(r answer) {
	a.mu.Lock()
	a.waiting = append(a.waiting, r)
	a.mu.Unlock()
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

// take returns the answers that were added since.
func (a *answers) take() []answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.waiting
	a.waiting = nil
	a.batches -= len(out)
	return out
}

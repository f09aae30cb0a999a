package snakepit

const messageBytes = 1 << 20

// outbox is what there is to say. What gathers while one message is on its way leaves together in the next.
type outbox struct {
	first       *hello
	chunks      []chunks
	results     []result
	requests    []request
	withdrawals []uint64
	credits     []credit
	pongs       []uint64
}

// say puts something into the outbox. Without a stream it is dropped when the next one begins.
func (w *worker) say(put func(*outbox)) {
	w.lock.Lock()
	put(&w.box)
	w.more.Broadcast()
	w.lock.Unlock()
}

// delivered returns when all that was put in has been handed to the kernel.
func (w *worker) delivered() {
	w.lock.Lock()
	defer w.lock.Unlock()
	for w.stream != nil && (w.sending || !w.box.empty()) {
		w.more.Wait()
	}
}

func (w *worker) write() {
	w.lock.Lock()
	for {
		for w.stream == nil || w.box.empty() {
			w.more.Wait()
		}
		message, to := w.box.take(), w.stream
		w.sending = true
		w.lock.Unlock()
		err := to.send(message)
		w.lock.Lock()
		w.sending = false
		if err != nil && w.stream == to {
			w.stream = nil // the reading goroutine sees the end of the stream and reports it
		}
		w.more.Broadcast()
	}
}

func (b *outbox) empty() bool {
	return b.first == nil && len(b.chunks)+len(b.results)+len(b.requests)+len(b.withdrawals)+len(b.credits)+len(b.pongs) == 0
}

// take is the next message. Results wait until all chunks have left: a call's own come before it.
func (b *outbox) take() []byte {
	var out encoder
	if b.first != nil {
		out.hello(*b.first)
		b.first = nil
		return out
	}
	for _, nonce := range b.pongs {
		out.pong(nonce)
	}
	b.pongs = nil
	for _, one := range b.credits {
		out.credit(one)
	}
	b.credits = nil
	for len(b.chunks) > 0 && len(out) < messageBytes {
		out.chunks(b.chunks[0])
		b.chunks = b.chunks[1:]
	}
	if len(b.chunks) > 0 {
		return out
	}
	for len(b.results) > 0 && (len(out) == 0 || len(out)+len(b.results[0].value) < messageBytes) {
		out.result(b.results[0])
		b.results = b.results[1:]
	}
	for len(b.requests) > 0 && (len(out) == 0 || len(out)+len(b.requests[0].args)+len(b.requests[0].query) < messageBytes) {
		out.request(b.requests[0])
		b.requests = b.requests[1:]
	}
	if len(b.requests) == 0 {
		for _, id := range b.withdrawals {
			out.withdrawal(id)
		}
		b.withdrawals = nil
	}
	return out
}

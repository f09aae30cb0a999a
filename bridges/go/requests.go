package snakepit

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// roomForChunks is how many bytes of the chunks of one request may be under way or unread.
const roomForChunks = 1 << 20

// Stop, returned by the callback of Watch or StreamTool, ends the stream without an error.
var Stop = errors.New("enough")

// CallError says why a call, or another request that a handler made, has failed.
type CallError struct {
	Kind      string // one of snakepit's kinds of error
	Type      string // of what the other handler returned or threw; empty for other kinds
	Message   string
	Traceback string

	wantsJSON bool // the called worker takes no parts, and has run nothing
}

func (e *CallError) Error() string {
	parts := []string{}
	for _, part := range []string{e.Kind, e.Type, e.Message} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// KindOf is the kind of a CallError, empty for other errors: KindOf(err) == "variable_not_found".
func KindOf(err error) string {
	var failed *CallError
	if errors.As(err, &failed) {
		return failed.Kind
	}
	return ""
}

var serverLost = &failure{name: "server_restarted", message: "the server was lost before the answer came"}

func (f *failure) callError() error {
	return &CallError{f.name, f.typ, f.message, f.traceback, f.wantsJSON}
}

// inbox is where the answer of a request arrives. Guarded by the worker's lock.
type inbox struct {
	ring  chan struct{} // holds one when something has come
	parts [][]byte      // lines of chunks
	end   *result
}

func (i *inbox) put(lines []byte, end *result) {
	if lines != nil {
		i.parts = append(i.parts, lines)
	}
	if end != nil {
		i.end = end
	}
	select {
	case i.ring <- struct{}{}:
	default:
	}
}

// ask is the JSON of the answer to a request. Fails with *CallError, or with the context of the call.
func (r *run) ask(one request) (answer []byte, err error) {
	err = r.follow(one, func([]byte) error { return nil }, &answer)
	return answer, err
}

// each hands over the chunks of the answer, JSON texts, as they come.
func (r *run) each(one request, take func([]byte) error) error {
	one.stream, one.credit = true, roomForChunks
	err := r.follow(one, take, nil)
	if errors.Is(err, Stop) {
		return nil
	}
	return err
}

func (r *run) follow(one request, take func([]byte) error, answer *[]byte) error {
	if r.ctx.Err() != nil {
		return r.ended()
	}
	if size, limit := len(one.args)+len(one.query), r.worker.limit(); size > limit { // the server would end the stream
		text := fmt.Sprintf("the request has %s bytes; %s are allowed", grouped(size), grouped(limit))
		return &CallError{Kind: "invalid_arguments", Message: text}
	}
	one.parent = r.spec.id
	from, id := r.worker.ask(one)
	defer r.worker.withdraw(id) // does nothing when it has been answered
	used := 0
	for {
		select {
		case <-r.ctx.Done():
			return r.ended()
		case <-from.ring:
		}
		parts, end := r.worker.collect(from)
		for _, lines := range parts {
			for len(lines) > 0 {
				line, rest, _ := bytes.Cut(lines, []byte("\n"))
				lines = rest
				if err := take(line); err != nil {
					return err
				}
				if r.ctx.Err() != nil {
					return r.ended()
				}
				if used += len(line) + 1; used >= roomForChunks/2 {
					r.worker.allow(id, uint64(used))
					used = 0
				}
			}
		}
		if end == nil {
			continue
		}
		if end.failure != nil {
			return end.failure.callError()
		}
		if answer != nil {
			*answer = end.value
		}
		return nil
	}
}

// grouped is a number with a comma before each three digits.
func grouped(number int) string {
	text := strconv.Itoa(number)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// ended says why a call whose context is done can ask for nothing.
func (r *run) ended() error {
	if r.muted() {
		return serverLost.callError()
	}
	return r.ctx.Err()
}

// ask sends a request; its answer arrives in the inbox.
func (w *worker) ask(one request) (*inbox, uint64) {
	made := &inbox{ring: make(chan struct{}, 1)}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.nextAsk++
	one.id = w.nextAsk
	w.asked[one.id] = made
	w.box.requests = append(w.box.requests, one)
	w.more.Broadcast()
	return made, one.id
}

func (w *worker) withdraw(id uint64) {
	w.say(func(box *outbox) {
		if _, waits := w.asked[id]; waits {
			delete(w.asked, id)
			box.withdrawals = append(box.withdrawals, id)
		}
	})
}

// allow makes room for more chunks.
func (w *worker) allow(id, bytes uint64) {
	w.say(func(box *outbox) {
		if _, waits := w.asked[id]; waits {
			box.credits = append(box.credits, credit{id, bytes})
		}
	})
}

// collect takes what has arrived.
func (w *worker) collect(from *inbox) (parts [][]byte, end *result) {
	w.lock.Lock()
	defer w.lock.Unlock()
	parts, from.parts = from.parts, nil
	return parts, from.end
}

// answered puts what the server says about requests into their inboxes. Called with the lock.
func (w *worker) answered(message toWorker) {
	for _, part := range message.replyChunks {
		if known := w.asked[part.id]; known != nil {
			known.put(part.lines, nil)
		}
	}
	for at := range message.replies {
		reply := &message.replies[at]
		if known := w.asked[reply.id]; known != nil {
			delete(w.asked, reply.id)
			known.put(nil, reply)
		}
	}
}

// unanswered ends all requests: the stream is lost. Called with the lock.
func (w *worker) unanswered() {
	for id, known := range w.asked {
		delete(w.asked, id)
		known.put(nil, &result{failure: serverLost})
	}
}

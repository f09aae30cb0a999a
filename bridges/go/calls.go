package snakepit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	overhead = 64
	moment   = time.Millisecond // after which what has been answered leaves
	large    = 1 << 19
)

// Context is the context of a call: it is done when the caller has cancelled or the call's timeout has expired.
type Context struct {
	context.Context
	run *run
}

// Session of the caller: variables, programs and tools. Its ID is empty when there is none.
func (c *Context) Session() *Session { return &Session{c.run.spec.session, c.run} }

// Metadata is what the caller says about the call.
func (c *Context) Metadata() map[string]string {
	found := map[string]string{}
	_ = json.Unmarshal(c.run.spec.metadata, &found) // checked by the server
	return found
}

// Cwd is the directory that the caller is in; may be empty.
func (c *Context) Cwd() string { return c.run.spec.cwd }

// Path is a file name as the caller means it.
func (c *Context) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.run.spec.cwd, name)
}

// Call runs a command of this or another pool (empty for this one) and reads its answer into result, a pointer.
// Arrays, Binaries and []byte travel as they are, unless the called worker takes JSON only. Fails with *CallError.
func (c *Context) Call(pool, command string, args, result any) error {
	one := request{pool: pool, command: command, takesParts: result != nil && mayHaveParts(reflect.TypeOf(result), 0)}
	var text bytes.Buffer
	inner, parts := asParts(args)
	err := c.run.form(&text, args, inner, parts, command)
	if err != nil {
		return err
	}
	one.args = bytes.TrimSuffix(text.Bytes(), []byte("\n")) // the contract has no line breaks
	answer, err := c.run.ask(one)
	var failed *CallError
	if len(parts) > 0 && errors.As(err, &failed) && failed.wantsJSON {
		text.Reset()
		if err := encode(&text, args, command, math.MaxInt, false); err != nil {
			return err
		}
		one.args = bytes.TrimSuffix(text.Bytes(), []byte("\n"))
		answer, err = c.run.ask(one)
	}
	if err != nil {
		return err
	}
	return receive(answer, result)
}

// form writes arguments: a message when they have parts, otherwise JSON. Their size is looked at when they are sent.
func (r *run) form(out *bytes.Buffer, args, inner any, parts []part, command string) error {
	if len(parts) > 0 {
		return r.packed(out, inner, parts, command, math.MaxInt)
	}
	return encode(out, args, command, math.MaxInt, false)
}

// receive reads an answer into a value.
func receive(answer []byte, into any) error {
	if !isMessage(answer) {
		return decode(answer, into)
	}
	text, parts, err := tokens(answer)
	if err == nil {
		err = decode(text, into)
	}
	var made reflect.Value
	if err == nil {
		value := reflect.ValueOf(into).Elem()
		if made, err = filled(value, parts); err == nil {
			set(value, made)
			return nil
		}
	}
	return &CallError{Kind: "invalid_result", Message: fmt.Sprintf("the answer cannot be read: %s", err)}
}

// run is one call, from its arrival to its answer.
type run struct {
	worker  *worker
	spec    callSpec
	arrived time.Time
	began   time.Time
	ctx     *Context
	cancel  context.CancelFunc
	givenUp chan struct{} // closed by the first cancel
	once    sync.Once

	lock   sync.Mutex
	more   *sync.Cond
	room   int64
	silent bool // its answer would go to a stream that has ended

	segments *segments // nil: its answers are sent as bytes
	kept     *kept     // of the stream that it came on
	parts    []part    // of its arguments
}

func newRun(w *worker, spec callSpec) *run {
	r := &run{worker: w, spec: spec, arrived: time.Now(), room: int64(spec.credit), givenUp: make(chan struct{})}
	r.more = sync.NewCond(&r.lock)
	if r.kept = w.kept; r.kept == nil {
		r.kept = newKept(nil)
	}
	if spec.takesReferences {
		r.segments = w.segments
	}
	inner, cancel := context.WithCancel(context.Background())
	if spec.timeout > 0 && spec.block == nil {
		deadline := r.arrived.Add(time.Duration(spec.timeout * float64(time.Second)))
		inner, cancel = context.WithDeadline(context.Background(), deadline)
	}
	r.ctx = &Context{inner, r}
	r.cancel = func() {
		r.once.Do(func() { close(r.givenUp) })
		cancel()
		r.lock.Lock()
		r.more.Broadcast()
		r.lock.Unlock()
	}
	return r
}

func (r *run) grant(bytes uint64) {
	r.lock.Lock()
	r.room += int64(bytes)
	r.more.Broadcast()
	r.lock.Unlock()
}

// spend takes off what is sent; whether there is room for more.
func (r *run) spend(bytes int) bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.room -= int64(bytes)
	return r.room > 0
}

func (r *run) hasRoom() bool { return r.spend(0) }

func (r *run) waitForRoom() error {
	r.lock.Lock()
	defer r.lock.Unlock()
	for r.room <= 0 && r.ctx.Err() == nil {
		r.more.Wait()
	}
	return r.ctx.Err()
}

func (r *run) mute() {
	r.lock.Lock()
	r.silent = true
	r.lock.Unlock()
}

func (r *run) muted() bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.silent
}

func (r *run) serve() {
	r.began = time.Now()
	defer r.cancel()
	value, err := r.guarded(r.answer)
	if err == nil {
		r.settle(result{value: value})
		return
	}
	if errors.Is(r.ctx.Err(), context.DeadlineExceeded) {
		// The server's clock decides: its cancel comes at about the same moment.
		select {
		case <-r.givenUp:
		case <-time.After(time.Second):
		}
	}
	if r.ctx.Err() != nil {
		err = refusal{cancelled, "the caller gave up"}
	}
	r.settle(result{failure: failureOf(err)})
}

func (r *run) settle(outcome result) {
	if r.muted() {
		return
	}
	now := time.Now()
	began := r.began
	if began.IsZero() {
		began = now
	}
	r.kept.leave() // what it has answered comes before its end
	if outcome.ref = r.put(outcome.value); outcome.ref != nil {
		outcome.value = nil
	}
	outcome.id = r.spec.id
	outcome.waitSeconds = float32(began.Sub(r.arrived).Seconds())
	outcome.runSeconds = float32(now.Sub(began).Seconds())
	r.worker.settled(outcome)
}

// put writes a long payload where the reader finds it; nil when it is to be sent as bytes.
func (r *run) put(payload []byte) *reference {
	if r.segments == nil {
		return nil
	}
	return r.segments.put(payload)
}

// say sends chunks, unless nobody waits for them any more.
func (r *run) say(part chunks) {
	if r.muted() {
		return
	}
	if part.ref = r.put(part.lines); part.ref != nil {
		part.lines = nil
	}
	r.worker.say(func(box *outbox) { box.chunks = append(box.chunks, part) })
}

// panicked is what a handler has thrown.
type panicked struct {
	value any
	stack string
}

func (p panicked) Error() string { return fmt.Sprint(p.value) }

// guarded turns a panic into an error.
func (r *run) guarded(work func() ([]byte, error)) (value []byte, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = panicked{thrown, string(debug.Stack())}
		}
	}()
	return work()
}

func failureOf(err error) *failure {
	var refused refusal
	if errors.As(err, &refused) {
		return &failure{kind: refused.kind, message: refused.message}
	}
	var thrown panicked
	if errors.As(err, &thrown) {
		return &failure{
			kind: commandFailed, typ: fmt.Sprintf("%T", thrown.value), message: thrown.Error(), traceback: thrown.stack,
		}
	}
	return &failure{kind: commandFailed, typ: fmt.Sprintf("%T", err), message: err.Error()}
}

// handler is a command, or a tool that this worker has registered.
func (r *run) handler() (handler, error) {
	if r.spec.tool {
		if found, known := r.worker.tool(r.spec.session, r.spec.command); known {
			return found, nil
		}
		return handler{}, refuse(commandNotFound, "the tool `%s` is not offered any more", r.spec.command)
	}
	return find(r.spec.command)
}

// answer is the JSON of the answer. A streaming call sends its chunks before it.
func (r *run) answer() ([]byte, error) {
	command, err := r.handler()
	if err != nil {
		return nil, err
	}
	if err := r.spec.fetch(); err != nil {
		return nil, err
	}
	args, err := r.arguments()
	if err != nil {
		return nil, err
	}
	switch {
	case r.spec.block != nil:
		return null, r.block(command, args)
	case r.spec.stream:
		return null, r.stream(command, args)
	}
	var out bytes.Buffer
	err = r.one(&out, command, args)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// arguments are JSON. What they have of parts is kept in r.parts.
func (r *run) arguments() (args []byte, err error) {
	args = r.spec.args
	switch {
	case len(args) == 0:
		args = []byte("{}")
	case isMessage(args):
		if args, r.parts, err = tokens(args); err != nil {
			return nil, refuse(invalidArguments, "%s", err)
		}
	case !utf8.Valid(args):
		return nil, refuse(invalidArguments, "the arguments are not UTF-8")
	}
	return args, object(args)
}

var null = []byte("null")

// one appends the JSON of an answer, and a line break; chunks become an array.
func (r *run) one(out *bytes.Buffer, command handler, args []byte) error {
	if !command.spec.streaming {
		value, err := command.run(r.ctx, args, nil)
		if err != nil {
			return err
		}
		return r.whole(out, value, command.spec.name)
	}
	chunks := []any{}
	_, err := command.run(r.ctx, args, func(chunk any) error {
		chunks = append(chunks, chunk)
		return r.ctx.Err()
	})
	if err != nil {
		return err
	}
	return encode(out, chunks, command.spec.name, r.worker.limit(), r.spec.nanIsNull)
}

// partsOf is the value with tokens for its parts, and these; none when the caller takes no parts.
func (r *run) partsOf(value any) (any, []part) {
	if !r.spec.takesParts {
		return nil, nil
	}
	return asParts(value)
}

func asParts(value any) (any, []part) {
	if value == nil || !mayHaveParts(reflect.TypeOf(value), 0) {
		return nil, nil
	}
	return withTokens(value)
}

// whole appends the JSON of what a handler has returned, or the message with its parts, and a line break.
func (r *run) whole(out *bytes.Buffer, value any, command string) error {
	if inner, parts := r.partsOf(value); len(parts) > 0 {
		return r.message(out, inner, parts, command)
	}
	return encode(out, value, command, r.worker.limit(), r.spec.nanIsNull)
}

// message writes a message with parts in the place of JSON, and a line break.
func (r *run) message(out *bytes.Buffer, value any, parts []part, command string) error {
	return r.packed(out, value, parts, command, r.worker.limit())
}

func (r *run) packed(out *bytes.Buffer, value any, parts []part, command string, limit int) error {
	var text bytes.Buffer
	if err := encode(&text, value, command, limit, r.spec.nanIsNull); err != nil {
		return err
	}
	json, err := withPlaces(bytes.TrimSuffix(text.Bytes(), []byte("\n")), parts)
	if err != nil {
		return refuse(invalidResult, "`%s`: %s", command, err)
	}
	message := pack(json, parts)
	if len(message)+overhead > limit {
		return tooLarge(command, len(message), limit)
	}
	*out = *bytes.NewBuffer(append(message, '\n'))
	return nil
}

// alone sends a chunk with parts, which shares no message with others.
func (r *run) alone(out *lines, value any, parts []part, command string) error {
	out.flush()
	if err := r.message(&out.text, value, parts, command); err != nil {
		return err
	}
	err := out.added(out.text.Len())
	out.flush()
	return err
}

func (r *run) stream(command handler, args []byte) error {
	out := lines{run: r, leave: func(part chunks) {
		part.lines = append([]byte(nil), part.lines...)
		r.say(part)
	}}
	defer out.flush()
	if !command.spec.streaming {
		if err := r.one(&out.text, command, args); err != nil {
			return err
		}
		return out.added(out.text.Len())
	}
	_, err := command.run(r.ctx, args, func(chunk any) error {
		if inner, parts := r.partsOf(chunk); len(parts) > 0 {
			return r.alone(&out, inner, parts, command.spec.name)
		}
		before := out.text.Len()
		if err := encode(&out.text, chunk, command.spec.name, r.worker.limit(), r.spec.nanIsNull); err != nil {
			return err
		}
		return out.added(out.text.Len() - before)
	})
	return err
}

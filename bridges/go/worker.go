// Package snakepit makes a Go program a worker: register commands, then Serve.
package snakepit

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	protocolMin        = 1
	protocolMax        = 2
	attachMethod       = "/snakepit.worker.v1.Gateway/Attach"
	unauthenticated    = 16
	failedPrecondition = 9

	exitUnreachable = 69
	exitVersion     = 76
	exitRefused     = 77

	giveUpAfter  = time.Minute
	backoffFirst = 20 * time.Millisecond
	backoffLast  = 200 * time.Millisecond
	grace        = 3 * time.Second

	defaultLimit = 4 << 20
	mostSessions = 1000

	// Bulk work leaves much garbage in a small heap: collected each 4 MiB it takes a sixth of the time.
	garbagePercent = 400
)

// Capacity is how many calls run at a time, each in a goroutine. `snakepit up --capacity` goes first.
var Capacity = 1

// Cleanup, when set, is called once after the last call.
var Cleanup func()

// SessionEnded, when set, is called in a goroutine of its own when a session that this worker has served is over.
var SessionEnded func(id string)

type worker struct {
	gateway, name, token string

	lock     sync.Mutex
	more     *sync.Cond // signals new calls, new messages to send, and idleness
	box      outbox
	sending  bool
	stream   *stream
	attached bool
	draining bool
	largest  int
	segments *segments
	kept     *kept
	waiting  []*run
	running  map[uint64]*run
	asked    map[uint64]*inbox
	nextAsk  uint64
	tools    map[toolKey]*offered
	sessions []string
}

// Serve answers calls until the worker is told to end. It does not return.
func Serve() {
	w := &worker{
		gateway: strings.TrimPrefix(os.Getenv("SNAKEPIT_GATEWAY"), "unix:"),
		name:    os.Getenv("SNAKEPIT_WORKER_ID"),
		token:   secret(),
		largest: defaultLimit,
		running: map[uint64]*run{},
		asked:   map[uint64]*inbox{},
		tools:   map[toolKey]*offered{},
	}
	w.more = sync.NewCond(&w.lock)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if w.gateway == "" {
		leave(2, "started without a server; this worker offers %s", strings.Join(names(), ", "))
	}
	if wanted, err := strconv.Atoi(os.Getenv("SNAKEPIT_CAPACITY")); err == nil && wanted > 0 {
		Capacity = wanted
	}
	watchLifeline()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	signal.Ignore(syscall.SIGINT)
	go func() {
		<-signals
		w.drain(true)
	}()
	for at := 0; at < Capacity; at++ {
		go w.work()
	}
	go w.write()
	w.attend()
}

func names() []string {
	found := make([]string, 0, len(handlers))
	for name := range handlers {
		found = append(found, name)
	}
	sort.Strings(found)
	return found
}

// ----------------------------------------------------------------------------------------------- the stream

func (w *worker) attend() {
	backoff, giveUpAt := backoffFirst, time.Now().Add(giveUpAfter)
	for {
		status, text := w.talk()
		w.lost(status, text)
		if w.attached {
			w.attached = false
			backoff, giveUpAt = backoffFirst, time.Now().Add(giveUpAfter)
		} else if time.Now().After(giveUpAt) {
			leave(exitUnreachable, "no server at %s for %s", w.gateway, giveUpAfter)
		}
		time.Sleep(backoff)
		if backoff *= 2; backoff > backoffLast {
			backoff = backoffLast
		}
	}
}

// talk is one stream, from hello to its end; how it ended.
func (w *worker) talk() (int, string) {
	opened, err := dial(w.gateway, attachMethod)
	if err != nil {
		return unavailable, err.Error()
	}
	w.lock.Lock()
	first := w.hello()
	w.box = outbox{first: &first}
	w.stream = opened
	w.more.Broadcast()
	w.lock.Unlock()
	return opened.receive(func(data []byte) {
		message, err := decodeToWorker(data)
		if err != nil {
			leave(1, "a message of the server: %s", err)
		}
		w.take(message)
	})
}

func (w *worker) hello() hello {
	specs := make([]commandSpec, 0, len(handlers))
	for _, name := range names() {
		specs = append(specs, handlers[name].spec)
	}
	return hello{
		token: w.token, worker: w.name, runtime: strings.TrimPrefix(runtime.Version(), "go"),
		capacity: uint64(Capacity), commands: specs, pid: uint64(os.Getpid()),
		sessions: append([]string(nil), w.sessions...), tools: w.taken(),
	}
}

func (w *worker) lost(status int, text string) {
	switch {
	case w.isDraining():
		select {} // the goroutine that drains ends the process
	case status == unauthenticated:
		leave(exitRefused, "the server refused this worker: %s", text)
	case status == failedPrecondition:
		leave(exitVersion, "the server cannot use this worker: %s", text)
	}
	// The server waits for these answers no longer; the ids would mean other calls on the next stream.
	w.lock.Lock()
	w.stream = nil
	w.box = outbox{}
	dropped := w.waiting
	w.waiting = nil
	for _, one := range w.running {
		dropped = append(dropped, one)
	}
	w.unanswered()
	segments, kept := w.segments, w.kept
	w.segments, w.kept = nil, nil
	w.lock.Unlock()
	if segments != nil {
		kept.lost()
		segments.lost()
	}
	for _, one := range dropped {
		one.mute()
		one.cancel()
	}
}

func (w *worker) isDraining() bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.draining
}

func (w *worker) limit() int {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.largest
}

func (w *worker) take(message toWorker) {
	w.lock.Lock()
	for _, spec := range message.calls {
		w.waiting = append(w.waiting, newRun(w, spec))
		w.remember(spec.session)
	}
	if message.welcome != nil {
		w.welcomed(*message.welcome)
	}
	if w.segments != nil {
		w.segments.released(message.released)
	}
	w.answered(message)
	for _, session := range message.endedSessions {
		w.sessionEnded(session)
	}
	w.more.Broadcast()
	w.lock.Unlock()
	for _, id := range message.cancels {
		w.cancel(id)
	}
	for _, id := range message.recalls {
		if back := w.takeBack(id); back != nil {
			back.settle(result{failure: &failure{kind: recalled, message: "recalled before it began"}})
		}
	}
	for _, one := range message.credits {
		if known := w.known(one.id); known != nil {
			known.grant(one.bytes)
		}
	}
	if message.ping != nil {
		w.say(func(box *outbox) { box.pongs = append(box.pongs, *message.ping) })
	}
	if message.drain {
		go w.drain(false)
	}
}

func (w *worker) welcomed(by welcome) {
	w.attached = true
	if by.maxMessageBytes > 0 {
		w.largest = int(by.maxMessageBytes)
	}
	w.segments = newSegments(by)
	var journal *journal
	if Capacity == 1 { // of calls that run side by side each would need one
		journal = w.segments.journal()
	}
	w.kept = newKept(journal)
}

func (w *worker) remember(session string) {
	if session == "" {
		return
	}
	w.forget(session)
	if w.sessions = append(w.sessions, session); len(w.sessions) > mostSessions {
		w.sessions = w.sessions[1:]
	}
}

func (w *worker) forget(session string) {
	for at, one := range w.sessions {
		if one == session {
			w.sessions = append(w.sessions[:at], w.sessions[at+1:]...)
			return
		}
	}
}

// ------------------------------------------------------------------------------------------------- the calls

func (w *worker) work() {
	w.lock.Lock()
	for {
		for len(w.waiting) == 0 {
			w.more.Wait()
		}
		next := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.running[next.spec.id] = next
		w.lock.Unlock()
		next.serve()
		w.lock.Lock()
		delete(w.running, next.spec.id)
		w.more.Broadcast()
	}
}

func (w *worker) known(id uint64) *run {
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, one := range w.waiting {
		if one.spec.id == id {
			return one
		}
	}
	return w.running[id]
}

// takeBack takes a call out of those that wait.
func (w *worker) takeBack(id uint64) *run {
	w.lock.Lock()
	defer w.lock.Unlock()
	for at, one := range w.waiting {
		if one.spec.id == id {
			w.waiting = append(w.waiting[:at:at], w.waiting[at+1:]...)
			return one
		}
	}
	return nil
}

func (w *worker) cancel(id uint64) {
	if back := w.takeBack(id); back != nil {
		back.cancel()
		back.settle(result{failure: &failure{kind: cancelled, message: "the caller gave up"}})
	} else if known := w.known(id); known != nil {
		known.cancel()
	}
}

func (w *worker) settled(outcome result) {
	w.say(func(box *outbox) { box.results = append(box.results, outcome) })
}

// -------------------------------------------------------------------------------------------------- the end

// drain ends the process when nothing runs any more.
func (w *worker) drain(giveUp bool) {
	w.lock.Lock()
	already := w.draining
	w.draining = true
	ids := []uint64{}
	for _, one := range w.waiting {
		ids = append(ids, one.spec.id)
	}
	for id := range w.running {
		ids = append(ids, id)
	}
	w.lock.Unlock()
	if already {
		return
	}
	time.AfterFunc(grace, func() { leave(1, "a handler did not end in time") })
	if giveUp {
		for _, id := range ids {
			w.cancel(id)
		}
	}
	w.lock.Lock()
	for len(w.waiting)+len(w.running) > 0 {
		w.more.Wait()
	}
	w.lock.Unlock()
	w.delivered()
	if Cleanup != nil {
		Cleanup()
	}
	leave(0, "")
}

package snakepit

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Offer is a function that can be registered as a tool.
type Offer struct{ handler handler }

// Tool makes a function one that can be offered to all that use a session. Its arguments are those of Command.
func Tool[A, R any](name string, function func(*Context, A) (R, error), description ...string) Offer {
	return Offer{plain(name, function, description)}
}

// StreamTool is Tool for a function whose answer is what it emits.
func StreamTool[A any](name string, function func(*Context, A, func(any) error) error, description ...string) Offer {
	return Offer{emitting(name, function, description)}
}

// ToolInfo is what is known of a tool of a session.
type ToolInfo struct {
	Session     string         `json:"session"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Streaming   bool           `json:"streaming"`
	Parameters  []ToolArgument `json:"parameters"`
	Metadata    map[string]any `json:"metadata"`
	Worker      string         `json:"worker"`
	Language    string         `json:"language"`
	Pool        string         `json:"pool"`
}

// ToolArgument is one argument of a tool.
type ToolArgument struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Default  any    `json:"default"`
	Summary  string `json:"summary"`
}

// CallTool reads the result of a function that some process offers in this session into a pointer.
func (s *Session) CallTool(name string, args, into any) error {
	asked, err := s.tool(name, args)
	if err != nil {
		return err
	}
	var answer []byte
	if own, known := s.run.worker.tool(s.ID, name); known {
		answer, err = s.run.within(own, asked.args)
	} else {
		answer, err = s.run.ask(asked)
	}
	if err != nil || into == nil {
		return err
	}
	return decode(answer, into)
}

// within is the answer of a tool that a handler of this worker calls, as another worker would have given it: it runs at
// once, because the worker is busy with the caller.
func (r *run) within(own handler, args []byte) ([]byte, error) {
	answer, err := r.guarded(func() ([]byte, error) {
		var out bytes.Buffer
		err := r.one(&out, own, args)
		return out.Bytes(), err
	})
	var failed *CallError
	if err == nil || errors.As(err, &failed) {
		return answer, err
	}
	said := failureOf(err)
	return nil, &CallError{Kind: kindNames[said.kind], Type: said.typ, Message: said.message, Traceback: said.traceback}
}

// StreamTool hands over the chunks of its answer, JSON texts, as they come, until take returns an error: Stop ends it
// without one.
func (s *Session) StreamTool(name string, args any, take func(json.RawMessage) error) error {
	asked, err := s.tool(name, args)
	if err != nil {
		return err
	}
	return s.run.each(asked, func(text []byte) error { return take(text) })
}

// Tools are those that the session has now.
func (s *Session) Tools(pattern string) (found []ToolInfo, err error) {
	err = s.do("tool_list", map[string]any{"pattern": pattern}, &found)
	return found, err
}

// RegisterTool offers a function of this worker to all that use the session. Option: Metadata.
func (s *Session) RegisterTool(offer Offer, options ...Option) error {
	described := describe(offer.handler.spec)
	for _, apply := range options {
		apply(described)
	}
	var metadata []byte
	if facts, given := described["metadata"]; given {
		var err error
		if metadata, err = carriedJSON(facts); err != nil {
			return err
		}
	}
	key := toolKey{s.ID, offer.handler.spec.name}
	one := &offered{handler: offer.handler, metadata: metadata}
	before := s.run.worker.offer(key, one)
	// It can be called before the answer comes.
	err := s.do("tool_register", map[string]any{"tools": []any{described}}, nil)
	s.run.worker.settleOffer(key, one, before, err == nil)
	return err
}

// UnregisterTool takes a tool of this worker back.
func (s *Session) UnregisterTool(name string) error {
	err := s.do("tool_rm", map[string]any{"name": name}, nil)
	if err == nil {
		s.run.worker.offer(toolKey{s.ID, name}, nil)
	}
	return err
}

func (s *Session) tool(name string, args any) (request, error) {
	if err := s.need(); err != nil {
		return request{}, err
	}
	if args == nil {
		args = struct{}{}
	}
	text, err := carriedJSON(args)
	return request{command: name, args: text, tool: true}, err
}

// describe is a tool as the server is told of it.
func describe(spec commandSpec) map[string]any {
	parameters := []map[string]any{}
	for _, one := range spec.parameters {
		known := map[string]any{"name": one.name, "type": one.typ, "required": one.required}
		if one.defaultJSON != "" {
			known["default"] = json.RawMessage(one.defaultJSON)
		}
		parameters = append(parameters, known)
	}
	return map[string]any{
		"name": spec.name, "description": spec.summary, "streaming": spec.streaming, "parameters": parameters,
	}
}

type toolKey struct{ session, name string }

// offered is a tool of this worker.
type offered struct {
	handler  handler
	metadata []byte
	taken    bool // the server knows it: the next one is told
}

// offer puts a tool into the table, or nil for none; returns what was there.
func (w *worker) offer(key toolKey, one *offered) *offered {
	w.lock.Lock()
	defer w.lock.Unlock()
	before := w.tools[key]
	if one == nil {
		delete(w.tools, key)
	} else {
		w.tools[key] = one
	}
	return before
}

// settleOffer says whether the server has taken a tool: else what was there before is there again.
func (w *worker) settleOffer(key toolKey, one, before *offered, taken bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch {
	case taken:
		one.taken = true
		w.tools[key] = one // again: an expired session of this name has ended meanwhile, with all of its tools
	case before != nil:
		w.tools[key] = before
	default:
		delete(w.tools, key)
	}
}

func (w *worker) tool(session, name string) (handler, bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if one := w.tools[toolKey{session, name}]; one != nil {
		return one.handler, true
	}
	return handler{}, false
}

// taken are those that the server knows. Called with the lock.
func (w *worker) taken() map[toolKey]*offered {
	found := map[toolKey]*offered{}
	for key, one := range w.tools {
		if one.taken {
			found[key] = one
		}
	}
	return found
}

// sessionEnded forgets it. Called with the lock.
func (w *worker) sessionEnded(session string) {
	for key := range w.tools {
		if key.session == session {
			delete(w.tools, key)
		}
	}
	w.forget(session)
	if SessionEnded != nil {
		go SessionEnded(session)
	}
}

// toolSpec appends a tool to a hello.
func (e *encoder) toolSpec(key toolKey, one *offered) {
	var body encoder
	spec := one.handler.spec
	body.text(fieldToolSpecSession, key.session)
	body.text(fieldToolSpecName, key.name)
	body.text(fieldToolSpecDescription, spec.summary)
	body.flag(fieldToolSpecStreaming, spec.streaming)
	body.parameters(fieldToolSpecParameters, spec.parameters)
	body.bytes(fieldToolSpecMetadata, one.metadata)
	e.message(fieldHelloTools, body)
}

package snakepit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Session is that of a call: variables, programs and tools that all of its users share. Valid until the call ends.
// As text and as JSON it is its ID. All methods fail with *CallError, or with the context of the call.
type Session struct {
	ID  string // empty in a call without a session: then only global programs can be used
	run *run
}

func (s *Session) String() string { return s.ID }

// MarshalJSON writes the ID.
func (s *Session) MarshalJSON() ([]byte, error) { return json.Marshal(s.ID) }

// Variable is all that is known of one.
type Variable struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Value       json.RawMessage `json:"value"`
	Version     int64           `json:"version"`
	Constraints map[string]any  `json:"constraints"`
	Metadata    map[string]any  `json:"metadata"`
	Depends     []string        `json:"depends"`
	Stale       bool            `json:"stale"` // a variable that it depends on has changed since it was set
	Created     float64         `json:"created"`
	Updated     float64         `json:"updated"`
	TTL         *float64        `json:"ttl"`
}

// Change of a variable.
type Change struct {
	Revision int64           `json:"revision"`
	Name     string          `json:"name"`
	Event    string          `json:"event"` // register, set, rollback, stale or rm
	Version  int64           `json:"version"`
	Type     string          `json:"type"`
	Value    json.RawMessage `json:"value"`
	Source   string          `json:"source"`
	Metadata map[string]any  `json:"metadata"`
	At       float64         `json:"at"`
}

// Program is described without its data.
type Program struct {
	ID      string  `json:"id"`
	Session *string `json:"session"` // nil for a global one
	Bytes   int64   `json:"bytes"`
	Created float64 `json:"created"`
	Updated float64 `json:"updated"`
}

// Option adds an optional field to a request.
type Option func(query map[string]any)

func option(name string, value any) Option { return func(query map[string]any) { query[name] = value } }

// Expect makes a change only of a variable that has this version.
func Expect(version int64) Option { return option("expect", version) }

// ExpectAll is Expect for SetMany.
func ExpectAll(versions map[string]int64) Option { return option("expect", versions) }

// Existing sets only variables that exist.
func Existing() Option { return option("create", false) }

// Atomic changes all variables or none.
func Atomic() Option { return option("atomic", true) }

// Metadata is kept with a variable, a change or a tool.
func Metadata(facts map[string]any) Option { return option("metadata", facts) }

// Constraints of a variable that is registered.
func Constraints(facts map[string]any) Option { return option("constraints", facts) }

// TTL is how long a variable lives after its last change.
func TTL(time time.Duration) Option { return option("ttl", time.Seconds()) }

// Replace registers a variable even when there is one of its name.
func Replace() Option { return option("replace", true) }

// Everywhere means a global program, which belongs to no session.
func Everywhere() Option { return option("global", true) }

// New keeps a program only when there is none of its id.
func New() Option { return option("create", true) }

// Limit is how many changes History returns at most.
func Limit(count int) Option { return option("limit", count) }

// FromVersion begins a watch with a version of the variable that the pattern names.
func FromVersion(version int64) Option { return option("version", version) }

// After begins a watch after a revision of the session.
func After(revision int64) Option { return option("after", revision) }

// ----------------------------------------------------------------------------------------------- variables

// Get reads the value of a variable into a pointer.
func (s *Session) Get(name string, into any) error {
	found, err := s.Describe(name)
	if err != nil {
		return err
	}
	return valueInto(found.Type, found.Value, into)
}

// Describe says all that is known of a variable.
func (s *Session) Describe(name string) (found Variable, err error) {
	err = s.read([]string{name}, "var_get", map[string]any{"name": name}, &found)
	return found, err
}

// Has says whether there is such a variable.
func (s *Session) Has(name string) (bool, error) {
	_, err := s.Describe(name)
	if KindOf(err) == "variable_not_found" {
		return false, nil
	}
	return err == nil, err
}

// Set returns the new version. Options: Expect, Existing, Metadata.
func (s *Session) Set(name string, value any, options ...Option) (int64, error) {
	return s.version("var_set", map[string]any{"name": name, "value": carried(value)}, options)
}

// Register makes a variable of a type. Options: Constraints, Metadata, TTL, Replace.
func (s *Session) Register(name, kind string, value any, options ...Option) (found Variable, err error) {
	query := map[string]any{"name": name, "type": kind, "value": carried(value)}
	err = s.do("var_register", query, &found, options...)
	return found, err
}

// Delete removes a variable. Option: Expect.
func (s *Session) Delete(name string, options ...Option) error {
	return s.do("var_rm", map[string]any{"name": name}, nil, options...)
}

// List describes the variables whose whole name matches, the oldest first.
func (s *Session) List(pattern string) (found []Variable, err error) {
	err = s.do("var_list", map[string]any{"pattern": pattern}, &found)
	if KindOf(err) == "session_not_found" && s.ID != "" {
		return nil, nil
	}
	return found, err
}

// GetMany returns the variables by name. It fails when some are missing, and names them.
func (s *Session) GetMany(names ...string) (map[string]Variable, error) {
	var answer struct {
		Found   map[string]Variable
		Missing []string
	}
	if err := s.read(names, "var_mget", map[string]any{"names": names}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Missing) > 0 {
		return nil, notFound(answer.Missing)
	}
	return answer.Found, nil
}

// Outcome of one change of SetMany.
type Outcome struct {
	Version int64
	Err     *CallError // nil when the value was taken
}

// SetMany says by name what became of each. Options: Atomic, Existing, Metadata, ExpectAll.
func (s *Session) SetMany(values map[string]any, options ...Option) (map[string]Outcome, error) {
	given := make(map[string]any, len(values))
	for name, value := range values {
		given[name] = carried(value)
	}
	var answer struct {
		Results map[string]struct {
			Version int64
			Error   *CallError
		}
	}
	if err := s.do("var_mset", map[string]any{"values": given}, &answer, options...); err != nil {
		return nil, err
	}
	found := make(map[string]Outcome, len(answer.Results))
	for name, one := range answer.Results {
		found[name] = Outcome{one.Version, one.Error}
	}
	return found, nil
}

// History is the changes of a variable, the oldest first. Option: Limit.
func (s *Session) History(name string, options ...Option) (found []Change, err error) {
	err = s.do("var_history", map[string]any{"name": name}, &found, options...)
	return found, err
}

// Rollback makes a new version with the value of an old one. Option: Expect.
func (s *Session) Rollback(name string, version int64, options ...Option) (int64, error) {
	return s.version("var_rollback", map[string]any{"name": name, "version": version}, options)
}

// Depend says on which variables one depends: on all of these, and no others.
func (s *Session) Depend(name string, on ...string) error {
	if on == nil {
		on = []string{}
	}
	return s.do("var_depend", map[string]any{"name": name, "on": on}, nil)
}

// Watch hands over the changes of variables as they come, until the session or the call ends, or take returns an error:
// Stop ends it without one. Options: FromVersion, After.
func (s *Session) Watch(pattern string, take func(Change) error, options ...Option) error {
	query := map[string]any{"pattern": pattern}
	if err := s.complete("var_watch", query, options); err != nil {
		return err
	}
	text, err := carriedJSON(query)
	if err != nil {
		return err
	}
	return s.run.each(request{query: text}, func(text []byte) error {
		var one Change
		if err := decode(text, &one); err != nil {
			return err
		}
		return take(one)
	})
}

// ------------------------------------------------------------------------------------------------ programs

// PutProgram keeps a program, any JSON. Options: Everywhere, New.
func (s *Session) PutProgram(id string, data any, options ...Option) (found Program, err error) {
	err = s.do("program_put", map[string]any{"id": id, "data": data}, &found, options...)
	return found, err
}

// GetProgram reads the data of the session's program, or else of the global one. Option: Everywhere.
func (s *Session) GetProgram(id string, into any, options ...Option) error {
	var answer struct{ Data json.RawMessage }
	if err := s.do("program_get", map[string]any{"id": id}, &answer, options...); err != nil {
		return err
	}
	return decode(answer.Data, into)
}

// ListPrograms describes those whose whole id matches. Option: Everywhere.
func (s *Session) ListPrograms(pattern string, options ...Option) (found []Program, err error) {
	err = s.do("program_list", map[string]any{"pattern": pattern}, &found, options...)
	return found, err
}

// DeleteProgram removes one. Option: Everywhere.
func (s *Session) DeleteProgram(id string, options ...Option) error {
	return s.do("program_rm", map[string]any{"id": id}, nil, options...)
}

// -------------------------------------------------------------------------------------------------- itself

// Query reads the answer to any query of docs/reference/front-protocol.md that a worker may make.
func (s *Session) Query(query map[string]any, into any) error {
	text, err := carriedJSON(query)
	if err != nil {
		return err
	}
	answer, err := s.run.ask(request{query: text})
	if err != nil || into == nil {
		return err
	}
	return decode(answer, into)
}

func (s *Session) do(op string, query map[string]any, into any, options ...Option) error {
	if err := s.complete(op, query, options); err != nil {
		return err
	}
	return s.Query(query, into)
}

// complete adds the operation and the options. Only what is global needs no session.
func (s *Session) complete(op string, query map[string]any, options []Option) error {
	query["op"] = op
	for _, apply := range options {
		apply(query)
	}
	if query["global"] == true {
		return nil
	}
	return s.need()
}

func (s *Session) need() error {
	if s.ID != "" {
		return nil
	}
	return &CallError{
		Kind:    "session_not_found",
		Message: "the call has no session: name one, as with `snakepit exec --session`",
	}
}

// read asks for variables. Whether a session that holds nothing exists makes no difference to a reader.
func (s *Session) read(names []string, op string, query map[string]any, into any) error {
	err := s.do(op, query, into)
	if KindOf(err) == "session_not_found" && s.ID != "" {
		return notFound(names)
	}
	return err
}

func (s *Session) version(op string, query map[string]any, options []Option) (int64, error) {
	var answer struct{ Version int64 }
	err := s.do(op, query, &answer, options...)
	return answer.Version, err
}

func notFound(names []string) error {
	if len(names) > 10 {
		names = names[:10]
	}
	plural := ""
	if len(names) > 1 {
		plural = "s"
	}
	text := fmt.Sprintf("no variable%s `%s`", plural, strings.Join(names, "`, `"))
	return &CallError{Kind: "variable_not_found", Message: text}
}

var special = map[string]float64{`"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1)}

// carried is a value as JSON carries it: NaN and the infinities by name.
func carried(value any) any {
	if number, isFloat := value.(float64); isFloat && specialName(number) != "" {
		return specialName(number)
	}
	return value
}

func valueInto(kind string, value json.RawMessage, into any) error {
	if number, known := special[string(value)]; known && kind == "float" {
		switch place := into.(type) {
		case *float64:
			*place = number
			return nil
		case *any:
			*place = number
			return nil
		}
	}
	return decode(value, into)
}

func carriedJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	if err := write(&text, value); err != nil {
		reason := firstRefused(value)
		if reason == "" {
			reason = strings.TrimPrefix(err.Error(), "json: ")
		}
		return nil, &CallError{Kind: "invalid_value", Message: reason}
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil // the contract has no line breaks
}

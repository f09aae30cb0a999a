package snakepit

import (
	"encoding/binary"
	"errors"
	"math"
)

// The messages of the worker contract (proto/snakepit/worker/v1/worker.proto) in protobuf's encoding, as far as a
// worker needs them. messages.go has the numbers of their fields. Unknown fields are passed over.

var errMalformed = errors.New("a message that ends too soon")

type block struct {
	lines        []byte
	linesRef     *reference
	count        uint64
	itemArgument string
	text         bool
	careful      bool
}

type callSpec struct {
	id        uint64
	command   string
	args      []byte
	session   string
	timeout   float64
	stream    bool
	cwd       string
	credit    uint64
	block     *block
	nanIsNull bool
	metadata  []byte
	tool      bool
	argsRef   *reference

	takesReferences bool
	takesParts      bool
}

type failure struct {
	kind      kind
	typ       string
	message   string
	traceback string
	name      string
	wantsJSON bool
}

type result struct {
	id          uint64
	value       []byte
	ref         *reference
	failure     *failure
	waitSeconds float32
	runSeconds  float32
}

type credit struct{ id, bytes uint64 }

type toWorker struct {
	welcome *welcome
	calls   []callSpec
	cancels []uint64
	credits []credit
	ping    *uint64
	drain   bool
	replies []result
	recalls []uint64

	released      []string
	replyChunks   []chunks
	endedSessions []string
}

type chunks struct {
	id     uint64
	lines  []byte
	count  uint64
	failed []uint64
	ref    *reference
}

type welcome struct {
	maxMessageBytes, segmentBytes, referenceAbove uint64
	segments, segmentName                         string
}

type request struct {
	id, parent    uint64
	pool, command string
	args          []byte
	session       string
	timeout       float64
	query         []byte
	stream        bool
	credit        uint64
	tool          bool
	takesParts    bool
}

type parameter struct {
	name, typ   string
	required    bool
	defaultJSON string
}

type commandSpec struct {
	name, summary string
	streaming     bool
	parameters    []parameter
	open          bool
}

// ------------------------------------------------------------------------------------------------ decoding

// field is one field of a message: its number, and its value as a number or as bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

func (f field) double() float64 { return math.Float64frombits(f.value) }

// fields calls take with each field of a message.
func fields(data []byte, take func(field) error) error {
	for len(data) > 0 {
		tag, size := binary.Uvarint(data)
		if size <= 0 {
			return errMalformed
		}
		data = data[size:]
		found := field{number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			found.value, size = binary.Uvarint(data)
		case 1:
			if size = 8; len(data) >= 8 {
				found.value = binary.LittleEndian.Uint64(data)
			}
		case 2:
			length, head := binary.Uvarint(data)
			if head <= 0 || length > uint64(len(data)-head) {
				return errMalformed
			}
			size = head + int(length)
			found.bytes = data[head:size]
		case 5:
			if size = 4; len(data) >= 4 {
				found.value = uint64(binary.LittleEndian.Uint32(data))
			}
		default:
			return errMalformed
		}
		if size <= 0 || size > len(data) {
			return errMalformed
		}
		data = data[size:]
		if err := take(found); err != nil {
			return err
		}
	}
	return nil
}

func decodeToWorker(data []byte) (message toWorker, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case fieldToWorkerWelcome:
			message.welcome = &welcome{}
			return message.welcome.decode(f.bytes)
		case fieldToWorkerReleased:
			message.released = append(message.released, string(f.bytes))
		case fieldToWorkerCalls:
			call, err := decodeCall(f.bytes)
			message.calls = append(message.calls, call)
			return err
		case fieldToWorkerCancels:
			var id uint64
			err := numberAt(f.bytes, fieldCancelId, &id)
			message.cancels = append(message.cancels, id)
			return err
		case fieldToWorkerCredits:
			var one credit
			err := numberAt(f.bytes, fieldCreditId, &one.id)
			if err == nil {
				err = numberAt(f.bytes, fieldCreditBytes, &one.bytes)
			}
			message.credits = append(message.credits, one)
			return err
		case fieldToWorkerPing:
			message.ping = new(uint64)
			return numberAt(f.bytes, fieldPingNonce, message.ping)
		case fieldToWorkerDrain:
			message.drain = true
		case fieldToWorkerReplies:
			reply, err := decodeResult(f.bytes)
			message.replies = append(message.replies, reply)
			return err
		case fieldToWorkerRecalls:
			return numbers(f, &message.recalls)
		case fieldToWorkerReplyChunks:
			part, err := decodeChunks(f.bytes)
			message.replyChunks = append(message.replyChunks, part)
			return err
		case fieldToWorkerEndedSessions:
			message.endedSessions = append(message.endedSessions, string(f.bytes))
		}
		return nil
	})
	return message, err
}

func (w *welcome) decode(data []byte) error {
	return fields(data, func(f field) error {
		switch f.number {
		case fieldWelcomeMaxMessageBytes:
			w.maxMessageBytes = f.value
		case fieldWelcomeSegments:
			w.segments = string(f.bytes)
		case fieldWelcomeSegmentName:
			w.segmentName = string(f.bytes)
		case fieldWelcomeSegmentBytes:
			w.segmentBytes = f.value
		case fieldWelcomeReferenceAbove:
			w.referenceAbove = f.value
		}
		return nil
	})
}

func decodeReference(data []byte) (*reference, error) {
	found := &reference{}
	return found, fields(data, func(f field) error {
		switch f.number {
		case fieldReferencePath:
			found.path = string(f.bytes)
		case fieldReferenceDevice:
			found.device = f.value
		case fieldReferenceInode:
			found.inode = f.value
		case fieldReferenceOffset:
			found.offset = f.value
		case fieldReferenceLength:
			found.length = f.value
		}
		return nil
	})
}

// numberAt reads the number of one field of a message.
func numberAt(data []byte, number int, into *uint64) error {
	return fields(data, func(f field) error {
		if f.number == number {
			*into = f.value
		}
		return nil
	})
}

// numbers adds those of a repeated field, which may come together.
func numbers(f field, into *[]uint64) error {
	if f.bytes == nil {
		*into = append(*into, f.value)
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		value, size := binary.Uvarint(rest)
		if size <= 0 {
			return errMalformed
		}
		*into = append(*into, value)
		rest = rest[size:]
	}
	return nil
}

func decodeCall(data []byte) (call callSpec, err error) {
	err = fields(data, func(f field) (err error) {
		switch f.number {
		case fieldCallId:
			call.id = f.value
		case fieldCallCommand:
			call.command = string(f.bytes)
		case fieldCallArgs:
			call.args = f.bytes
		case fieldCallSession:
			call.session = string(f.bytes)
		case fieldCallTimeoutSeconds:
			call.timeout = f.double()
		case fieldCallStream:
			call.stream = f.value != 0
		case fieldCallCwd:
			call.cwd = string(f.bytes)
		case fieldCallCreditBytes:
			call.credit = f.value
		case fieldCallNanIsNull:
			call.nanIsNull = f.value != 0
		case fieldCallMetadata:
			call.metadata = f.bytes
		case fieldCallTool:
			call.tool = f.value != 0
		case fieldCallBlock:
			call.block, err = decodeBlock(f.bytes)
		case fieldCallArgsRef:
			call.argsRef, err = decodeReference(f.bytes)
		case fieldCallTakesReferences:
			call.takesReferences = f.value != 0
		case fieldCallTakesParts:
			call.takesParts = f.value != 0
		}
		return err
	})
	return call, err
}

func decodeBlock(data []byte) (*block, error) {
	found := &block{}
	return found, fields(data, func(f field) (err error) {
		switch f.number {
		case fieldBlockLines:
			found.lines = f.bytes
		case fieldBlockLinesRef:
			found.linesRef, err = decodeReference(f.bytes)
		case fieldBlockCount:
			found.count = f.value
		case fieldBlockItemArgument:
			found.itemArgument = string(f.bytes)
		case fieldBlockText:
			found.text = f.value != 0
		case fieldBlockCareful:
			found.careful = f.value != 0
		}
		return err
	})
}

func decodeChunks(data []byte) (found chunks, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case fieldChunksId:
			found.id = f.value
		case fieldChunksLines:
			found.lines = f.bytes
		}
		return nil
	})
	return found, err
}

func decodeResult(data []byte) (found result, err error) {
	err = fields(data, func(f field) error {
		switch f.number {
		case fieldResultId:
			found.id = f.value
		case fieldResultValue:
			found.value = f.bytes
		case fieldResultFailure:
			found.failure = &failure{}
			return fields(f.bytes, func(f field) error {
				switch f.number {
				case fieldFailureType:
					found.failure.typ = string(f.bytes)
				case fieldFailureMessage:
					found.failure.message = string(f.bytes)
				case fieldFailureTraceback:
					found.failure.traceback = string(f.bytes)
				case fieldFailureName:
					found.failure.name = string(f.bytes)
				case fieldFailureWantsJson:
					found.failure.wantsJSON = f.value != 0
				}
				return nil
			})
		}
		return nil
	})
	return found, err
}

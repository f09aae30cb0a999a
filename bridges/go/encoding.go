package snakepit

import (
	"encoding/binary"
	"math"
)

// encoder appends fields; what is empty or zero is left out.
type encoder []byte

func (e *encoder) uvarint(value uint64) {
	*e = binary.AppendUvarint(*e, value)
}

func (e *encoder) number(number int, value uint64) {
	if value != 0 {
		e.uvarint(uint64(number << 3))
		e.uvarint(value)
	}
}

func (e *encoder) flag(number int, value bool) {
	if value {
		e.number(number, 1)
	}
}

func (e *encoder) double(number int, value float64) {
	if value != 0 {
		e.uvarint(uint64(number<<3 | 1))
		*e = binary.LittleEndian.AppendUint64(*e, math.Float64bits(value))
	}
}

func (e *encoder) float(number int, value float32) {
	if value != 0 {
		e.uvarint(uint64(number<<3 | 5))
		*e = binary.LittleEndian.AppendUint32(*e, math.Float32bits(value))
	}
}

func (e *encoder) bytes(number int, value []byte) {
	if len(value) > 0 {
		e.message(number, value)
	}
}

func (e *encoder) text(number int, value string) {
	if value != "" {
		e.uvarint(uint64(number<<3 | 2))
		e.uvarint(uint64(len(value)))
		*e = append(*e, value...)
	}
}

// message appends a message even when it is empty.
func (e *encoder) message(number int, body []byte) {
	e.uvarint(uint64(number<<3 | 2))
	e.uvarint(uint64(len(body)))
	*e = append(*e, body...)
}

func (e *encoder) result(one result) {
	var body encoder
	body.number(fieldResultId, one.id)
	if one.failure != nil {
		var inner encoder
		inner.number(fieldFailureKind, uint64(one.failure.kind))
		inner.text(fieldFailureType, one.failure.typ)
		inner.text(fieldFailureMessage, one.failure.message)
		inner.text(fieldFailureTraceback, one.failure.traceback)
		body.message(fieldResultFailure, inner)
	} else if one.ref != nil {
		body.reference(fieldResultValueRef, one.ref)
	} else {
		body.message(fieldResultValue, one.value)
	}
	body.float(fieldResultWaitSeconds, one.waitSeconds)
	body.float(fieldResultRunSeconds, one.runSeconds)
	e.message(fieldFromWorkerResults, body)
}

func (e *encoder) chunks(one chunks) {
	var body encoder
	body.number(fieldChunksId, one.id)
	body.bytes(fieldChunksLines, one.lines)
	body.number(fieldChunksCount, one.count)
	for _, at := range one.failed {
		body.uvarint(fieldChunksFailed << 3)
		body.uvarint(at)
	}
	if one.ref != nil {
		body.reference(fieldChunksLinesRef, one.ref)
	}
	e.message(fieldFromWorkerChunks, body)
}

func (e *encoder) reference(number int, one *reference) {
	var body encoder
	body.text(fieldReferencePath, one.path)
	body.number(fieldReferenceDevice, one.device)
	body.number(fieldReferenceInode, one.inode)
	body.number(fieldReferenceOffset, one.offset)
	body.number(fieldReferenceLength, one.length)
	e.message(number, body)
}

func (e *encoder) pong(nonce uint64) {
	var body encoder
	body.number(fieldPongNonce, nonce)
	e.message(fieldFromWorkerPong, body)
}

func (e *encoder) request(one request) {
	var body encoder
	body.number(fieldRequestId, one.id)
	body.number(fieldRequestParent, one.parent)
	body.text(fieldRequestPool, one.pool)
	body.text(fieldRequestCommand, one.command)
	body.bytes(fieldRequestArgs, one.args)
	body.text(fieldRequestSession, one.session)
	body.double(fieldRequestTimeoutSeconds, one.timeout)
	body.bytes(fieldRequestQuery, one.query)
	body.flag(fieldRequestStream, one.stream)
	body.number(fieldRequestCreditBytes, one.credit)
	body.flag(fieldRequestTool, one.tool)
	body.flag(fieldRequestTakesParts, one.takesParts)
	e.message(fieldFromWorkerRequests, body)
}

func (e *encoder) withdrawal(id uint64) {
	e.uvarint(fieldFromWorkerWithdrawals << 3)
	e.uvarint(id)
}

func (e *encoder) credit(one credit) {
	var body encoder
	body.number(fieldCreditId, one.id)
	body.number(fieldCreditBytes, one.bytes)
	e.message(fieldFromWorkerCredits, body)
}

type hello struct {
	token, worker, runtime string
	capacity               uint64
	commands               []commandSpec
	pid                    uint64
	sessions               []string
	tools                  map[toolKey]*offered
}

func (e *encoder) hello(one hello) {
	var body encoder
	body.text(fieldHelloToken, one.token)
	body.text(fieldHelloWorker, one.worker)
	body.text(fieldHelloLanguage, "go")
	body.text(fieldHelloRuntime, one.runtime)
	body.number(fieldHelloProtocolMin, protocolMin)
	body.number(fieldHelloProtocolMax, protocolMax)
	body.number(fieldHelloCapacity, one.capacity)
	for _, spec := range one.commands {
		var inner encoder
		inner.text(fieldCommandSpecName, spec.name)
		inner.text(fieldCommandSpecSummary, spec.summary)
		inner.flag(fieldCommandSpecStreaming, spec.streaming)
		inner.parameters(fieldCommandSpecParameters, spec.parameters)
		inner.flag(fieldCommandSpecOpen, spec.open)
		body.message(fieldHelloCommands, inner)
	}
	body.number(fieldHelloPid, one.pid)
	for _, session := range one.sessions {
		body.message(fieldHelloSessions, []byte(session))
	}
	for key, tool := range one.tools {
		body.toolSpec(key, tool)
	}
	e.message(fieldFromWorkerHello, body)
}

func (e *encoder) parameters(number int, all []parameter) {
	for _, known := range all {
		var part encoder
		part.text(fieldParameterSpecName, known.name)
		part.text(fieldParameterSpecType, known.typ)
		part.flag(fieldParameterSpecRequired, known.required)
		part.text(fieldParameterSpecDefaultJson, known.defaultJSON)
		e.message(number, part)
	}
}

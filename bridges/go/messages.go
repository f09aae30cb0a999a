// Code generated from proto/snakepit/worker/v1/worker.proto by tests/tools/regen. DO NOT EDIT.

package snakepit

// Numbers of the fields of ParameterSpec.
const (
	fieldParameterSpecName        = 1
	fieldParameterSpecType        = 2
	fieldParameterSpecRequired    = 3
	fieldParameterSpecDefaultJson = 4
	fieldParameterSpecSummary     = 5
)

// Numbers of the fields of CommandSpec.
const (
	fieldCommandSpecName       = 1
	fieldCommandSpecSummary    = 2
	fieldCommandSpecStreaming  = 3
	fieldCommandSpecParameters = 4
	fieldCommandSpecOpen       = 5
)

// Numbers of the fields of ToolSpec.
const (
	fieldToolSpecSession     = 1
	fieldToolSpecName        = 2
	fieldToolSpecDescription = 3
	fieldToolSpecStreaming   = 4
	fieldToolSpecParameters  = 5
	fieldToolSpecMetadata    = 6
)

// Numbers of the fields of Hello.
const (
	fieldHelloToken       = 1
	fieldHelloWorker      = 2
	fieldHelloLanguage    = 3
	fieldHelloRuntime     = 4
	fieldHelloProtocolMin = 5
	fieldHelloProtocolMax = 6
	fieldHelloCapacity    = 7
	fieldHelloCommands    = 8
	fieldHelloPid         = 9
	fieldHelloSessions    = 10
	fieldHelloTools       = 11
	fieldHelloRunsBatches = 12
)

// Numbers of the fields of Failure.
const (
	fieldFailureKind      = 1
	fieldFailureType      = 2
	fieldFailureMessage   = 3
	fieldFailureTraceback = 4
	fieldFailureName      = 5
	fieldFailureWantsJson = 6
)

// Numbers of the fields of StartFailure.
const (
	fieldStartFailureToken   = 1
	fieldStartFailureWorker  = 2
	fieldStartFailureFailure = 3
)

// Numbers of the fields of Reference.
const (
	fieldReferencePath   = 1
	fieldReferenceDevice = 2
	fieldReferenceInode  = 3
	fieldReferenceOffset = 4
	fieldReferenceLength = 5
)

// Numbers of the fields of Result.
const (
	fieldResultId          = 1
	fieldResultValue       = 2
	fieldResultFailure     = 3
	fieldResultValueRef    = 6
	fieldResultWaitSeconds = 4
	fieldResultRunSeconds  = 5
)

// Numbers of the fields of Chunks.
const (
	fieldChunksId       = 1
	fieldChunksLines    = 2
	fieldChunksCount    = 3
	fieldChunksFailed   = 4
	fieldChunksLinesRef = 5
)

// Numbers of the fields of Pong.
const (
	fieldPongNonce = 1
)

// Numbers of the fields of Request.
const (
	fieldRequestId              = 1
	fieldRequestParent          = 2
	fieldRequestPool            = 3
	fieldRequestCommand         = 4
	fieldRequestArgs            = 5
	fieldRequestSession         = 6
	fieldRequestTimeoutSeconds  = 7
	fieldRequestQuery           = 8
	fieldRequestStream          = 9
	fieldRequestCreditBytes     = 10
	fieldRequestTool            = 11
	fieldRequestTakesParts      = 12
	fieldRequestArgsRef         = 13
	fieldRequestTakesReferences = 14
)

// Numbers of the fields of Credit.
const (
	fieldCreditId    = 1
	fieldCreditBytes = 2
)

// Numbers of the fields of FromWorker.
const (
	fieldFromWorkerHello        = 1
	fieldFromWorkerStartFailure = 2
	fieldFromWorkerResults      = 3
	fieldFromWorkerChunks       = 4
	fieldFromWorkerPong         = 5
	fieldFromWorkerRequests     = 6
	fieldFromWorkerWithdrawals  = 7
	fieldFromWorkerInvalidated  = 8
	fieldFromWorkerCredits      = 9
	fieldFromWorkerSegmentBytes = 10
	fieldFromWorkerReleased     = 11
)

// Numbers of the fields of Welcome.
const (
	fieldWelcomeProtocol        = 1
	fieldWelcomeMaxMessageBytes = 2
	fieldWelcomeSegments        = 3
	fieldWelcomeSegmentName     = 4
	fieldWelcomeSegmentBytes    = 5
	fieldWelcomeReferenceAbove  = 6
)

// Numbers of the fields of Block.
const (
	fieldBlockLines        = 1
	fieldBlockCount        = 2
	fieldBlockItemArgument = 3
	fieldBlockText         = 4
	fieldBlockCareful      = 5
	fieldBlockLinesRef     = 7
	fieldBlockBatch        = 6
)

// Numbers of the fields of Call.
const (
	fieldCallId              = 1
	fieldCallCommand         = 2
	fieldCallArgs            = 3
	fieldCallSession         = 4
	fieldCallTimeoutSeconds  = 5
	fieldCallStream          = 6
	fieldCallCwd             = 7
	fieldCallCreditBytes     = 8
	fieldCallMetadata        = 10
	fieldCallNanIsNull       = 11
	fieldCallTool            = 12
	fieldCallArgsRef         = 13
	fieldCallTakesReferences = 14
	fieldCallTakesParts      = 20
	fieldCallBlock           = 9
)

// Numbers of the fields of Cancel.
const (
	fieldCancelId = 1
)

// Numbers of the fields of Ping.
const (
	fieldPingNonce = 1
)

// Numbers of the fields of Invalidation.
const (
	fieldInvalidationId      = 1
	fieldInvalidationSession = 2
	fieldInvalidationNames   = 3
)

// Numbers of the fields of ToWorker.
const (
	fieldToWorkerWelcome       = 1
	fieldToWorkerCalls         = 2
	fieldToWorkerCancels       = 3
	fieldToWorkerCredits       = 4
	fieldToWorkerPing          = 5
	fieldToWorkerDrain         = 6
	fieldToWorkerReplies       = 7
	fieldToWorkerRecalls       = 8
	fieldToWorkerReplyChunks   = 9
	fieldToWorkerInvalidations = 10
	fieldToWorkerEndedSessions = 11
	fieldToWorkerReleased      = 12
	fieldToWorkerSegmentBytes  = 13
)

type kind uint64

const (
	commandFailed    kind = 1
	commandNotFound  kind = 2
	invalidArguments kind = 3
	cancelled        kind = 4
	invalidResult    kind = 5
	adapterNotFound  kind = 6
	adapterFailed    kind = 7
	recalled         kind = 8
	referenceFailed  kind = 9
)

var kindNames = map[kind]string{
	commandFailed:    "command_failed",
	commandNotFound:  "command_not_found",
	invalidArguments: "invalid_arguments",
	cancelled:        "cancelled",
	invalidResult:    "invalid_result",
	adapterNotFound:  "adapter_not_found",
	adapterFailed:    "adapter_failed",
	recalled:         "recalled",
	referenceFailed:  "reference_failed",
}

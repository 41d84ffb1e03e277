using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>How a call ended, as the worker tells it. The numbers are the wire's.</summary>
internal enum OutcomeKind : byte
{
    /// <summary>The function returned; the payload is its encoded result.</summary>
    Result = 0,

    /// <summary>The function threw; the payload is the exception.</summary>
    Threw = 1,

    /// <summary>The function ended with <see cref="OperationCanceledException"/> after its token was cancelled; no payload.</summary>
    Canceled = 2,

    /// <summary>The function returned something that can't travel; the payload is a text that says what. The worker goes on.</summary>
    ResultUnsendable = 3,

    /// <summary>The worker has no such function; the payload is a text. Nothing ran.</summary>
    FunctionNotFound = 4,

    /// <summary>The arguments could not be read; the payload is a text. Nothing ran.</summary>
    Undecodable = 5,
}

/// <summary>Hears of a call on the receiving side when it is decoded and about to run.</summary>
internal interface ICallObserver
{
    /// <summary>From here on the call counts as run. Its payload isn't used any more.</summary>
    void OnStarting();
}

/// <summary>Several calls of one function that run one after the other.</summary>
internal interface ICallSeries : ICallObserver
{
    /// <summary>Their payloads, each behind its length.</summary>
    ReadOnlyMemory<byte> Payloads { get; }

    /// <summary>Whether there is another, which may run now.</summary>
    bool TryClaim();

    /// <summary>Hands a call's outcome on, which is all that was written; false if no other may follow.</summary>
    bool Answer(OutcomeKind kind);
}

/// <summary>The receiving end of a call's way: resolves, decodes, runs, encodes. The same code in a child and in <c>Pool.Inline</c>.</summary>
internal static class CallRunner
{
    /// <summary>Decodes and runs a call.</summary>
    /// <param name="function">The function; a failure to find it is an outcome as well.</param>
    /// <param name="payload">Target and arguments.</param>
    /// <param name="context">The call's token and progress.</param>
    /// <param name="answer">Empty; receives the outcome's payload.</param>
    /// <param name="observer">Null for none.</param>
    public static ValueTask<OutcomeKind> RunAsync(
        DefinedFunction function, ReadOnlyMemory<byte> payload, TransferContext context, PayloadWriter answer, ICallObserver? observer)
    {
        ResolvedFunction resolved;
        try
        {
            resolved = function.Resolved;
        }
        catch (FunctionNotFoundException failure)
        {
            answer.WriteString(ExceptionText.MessageOf(failure));
            return new(OutcomeKind.FunctionNotFound);
        }

        return resolved.RunAsync(payload, context, answer, observer);
    }

    public static OutcomeKind Undecodable(Exception failure, TransferContext context, PayloadWriter answer)
    {
        context.RanOutOfMemory |= failure is OutOfMemoryException;
        answer.WriteString($"{failure.GetType().Name}: {ExceptionText.MessageOf(failure)}");
        return OutcomeKind.Undecodable;
    }

    /// <summary>Writes what a function ended with that isn't a result.</summary>
    public static OutcomeKind Describe(Exception failure, TransferContext context, PayloadWriter answer)
    {
        // A result that failed half-way may have left bytes behind.
        answer.Clear();
        context.RanOutOfMemory |= failure is OutOfMemoryException and not InsufficientMemoryException;
        switch (failure)
        {
            case UnsendableResultException:
                answer.WriteString(ExceptionText.MessageOf(failure));
                return OutcomeKind.ResultUnsendable;
            case OperationCanceledException when context.IsCancellationRequested:
                return OutcomeKind.Canceled;
            default:
                RemoteFailure.Write(answer, failure);
                return OutcomeKind.Threw;
        }
    }
}

/// <summary>The caller's end: turns an outcome into the call's result or exception.</summary>
internal static class CallOutcome
{
    public static void Complete(PendingCall call, OutcomeKind kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == OutcomeKind.Result)
            call.SetResult(payload);
        else if (kind == OutcomeKind.Canceled && call.Token.IsCancellationRequested)
            call.SetCanceled();
        else
            call.SetException(ToException(call.Name, kind, payload));
    }

    /// <summary>The exception that an outcome other than a result comes to.</summary>
    public static Exception ToException(string name, OutcomeKind kind, ReadOnlyMemory<byte> payload)
    {
        try
        {
            PayloadReader reader = new(payload);
            return kind switch
            {
                OutcomeKind.Threw => RemoteFailure.Read(ref reader),
                OutcomeKind.Canceled => new OperationCanceledException($"{name} was cancelled in its worker."),
                OutcomeKind.ResultUnsendable or OutcomeKind.FunctionNotFound or OutcomeKind.Undecodable =>
                    new UnsendableCallException($"{name}: {reader.ReadRequiredString()}"),
                _ => throw new InvalidPayloadException($"An outcome of the unknown kind {(byte)kind}."),
            };
        }
        catch (Exception damage)
        {
            return new UnsendableCallException($"{name}: the worker's answer can't be read: {ExceptionText.MessageOf(damage)}", damage);
        }
    }

    /// <summary>What to say of a result that can't be decoded here.</summary>
    public static UnsendableCallException Unreadable(string name, Type type, Exception reason) =>
        new($"{name}: the result ({TypeNames.Of(type)}) arrived but can't be read: {ExceptionText.MessageOf(reason)}", reason);

    /// <summary>The same of a progress report.</summary>
    public static UnsendableCallException UnreadableReport(string name, Exception reason) =>
        new($"{name}: a progress report arrived but can't be read: {ExceptionText.MessageOf(reason)}", reason);

    /// <summary>What to say when the way back failed for a reason that nobody foresaw.</summary>
    public static UnsendableCallException Unforeseen(string name, Exception reason) =>
        new($"{name}: its outcome is not known, because something unforeseen happened in this process: {ExceptionText.MessageOf(reason)} Please report it, with what Pool.InternalFault says.", reason);
}

/// <summary>The receiving side of what a call carries besides values.</summary>
internal abstract class WorkerSide : TransferContext
{
    public override IProgress<T> OpenProgress<T>(int number) => new Progress<T>(number, ReportSender());

    /// <summary>What sends a report of the call that is being decoded, with the receiver's number.</summary>
    protected abstract Action<int, PayloadWriter> ReportSender();

    private sealed class Progress<T>(int number, Action<int, PayloadWriter> sendReport) : IProgress<T>
    {
        public void Report(T value)
        {
            using PayloadWriter writer = new();
            try
            {
                Codec<T>.Instance.Write(writer, value);
            }
            catch (UnsendableValueException reason)
            {
                throw new UnsendableCallException($"The progress value ({TypeNames.Of(typeof(T))}) can't travel back: {ExceptionText.MessageOf(reason)}", reason);
            }

            sendReport(number, writer);
        }
    }
}

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

/// <summary>The receiving end of a call's way: resolves, decodes, runs, encodes. The same code in a child and in <c>Pool.Inline</c>.</summary>
internal static class CallRunner
{
    /// <summary>Decodes and runs a call.</summary>
    /// <param name="function">The function; a failure to find it is an outcome as well.</param>
    /// <param name="payload">Target and arguments. Not used any more once <paramref name="starting"/> was called.</param>
    /// <param name="context">The call's token and progress.</param>
    /// <param name="answer">Empty; receives the outcome's payload.</param>
    /// <param name="starting">Called between decoding and running: from here on the call counts as started.</param>
    public static ValueTask<OutcomeKind> RunAsync(
        Func<ResolvedFunction> function, ReadOnlyMemory<byte> payload, TransferContext context, PayloadWriter answer, Action? starting)
    {
        PreparedCall prepared;
        try
        {
            PayloadReader reader = new(payload, context);
            prepared = function().Prepare(ref reader);
        }
        catch (FunctionNotFoundException failure)
        {
            answer.WriteString(failure.Message);
            return new(OutcomeKind.FunctionNotFound);
        }
        catch (Exception failure)
        {
            answer.WriteString($"{failure.GetType().Name}: {failure.Message}");
            return new(OutcomeKind.Undecodable);
        }

        starting?.Invoke();
        try
        {
            ValueTask running = prepared.RunAsync(answer, context.Token);
            return running.IsCompletedSuccessfully ? new(OutcomeKind.Result) : Await(running, context, answer);
        }
        catch (Exception failure)
        {
            return new(Describe(failure, context, answer));
        }
    }

    private static async ValueTask<OutcomeKind> Await(ValueTask running, TransferContext context, PayloadWriter answer)
    {
        try
        {
            await running.ConfigureAwait(false);
            return OutcomeKind.Result;
        }
        catch (Exception failure)
        {
            return Describe(failure, context, answer);
        }
    }

    private static OutcomeKind Describe(Exception failure, TransferContext context, PayloadWriter answer)
    {
        // A result that failed half-way may have left bytes behind.
        answer.Clear();
        switch (failure)
        {
            case UnsendableResultException:
                answer.WriteString(failure.Message);
                return OutcomeKind.ResultUnsendable;
            case OperationCanceledException when context.Token.IsCancellationRequested:
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
        try
        {
            switch (kind)
            {
                case OutcomeKind.Result:
                    call.SetResult(payload);
                    break;
                case OutcomeKind.Threw:
                    PayloadReader failure = new(payload);
                    call.SetException(RemoteFailure.Read(ref failure));
                    break;
                case OutcomeKind.Canceled when call.Token.IsCancellationRequested:
                    call.SetCanceled();
                    break;
                case OutcomeKind.Canceled:
                    call.SetException(new OperationCanceledException($"{call.Name} was cancelled in its worker."));
                    break;
                case OutcomeKind.ResultUnsendable or OutcomeKind.FunctionNotFound or OutcomeKind.Undecodable:
                    PayloadReader text = new(payload);
                    call.SetException(new UnsendableCallException($"{call.Name}: {text.ReadRequiredString()}"));
                    break;
                default:
                    throw new InvalidPayloadException($"An outcome of the unknown kind {(byte)kind}.");
            }
        }
        catch (InvalidPayloadException damage)
        {
            call.SetException(new UnsendableCallException($"{call.Name}: the worker's answer can't be read: {damage.Message}", damage));
        }
    }
}

/// <summary>The receiving side of what a call carries besides values.</summary>
internal sealed class WorkerSide(Action<int, PayloadWriter> sendReport, CancellationToken token) : TransferContext
{
    public override CancellationToken Token => token;

    public override IProgress<T> OpenProgress<T>(int number) => new Progress<T>(number, sendReport);

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
                throw new UnsendableCallException($"The progress value ({TypeNames.Of(typeof(T))}) can't travel back: {reason.Message}", reason);
            }

            sendReport(number, writer);
        }
    }
}

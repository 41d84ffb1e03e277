using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Turns a call into bytes, in the caller's own stack, so that what can't travel fails there and before anything was queued.
/// </summary>
internal static class CallEncoder
{
    /// <summary>Encodes the function's target and arguments.</summary>
    /// <exception cref="UnsendableCallException">Something in the call can't travel.</exception>
    public static PendingCall<TResult> Encode<TResult>(Call<TResult> call)
    {
        CallerSide context = new(call.Token);
        PayloadWriter payload = new(256, context);
        try
        {
            FunctionReference function = FunctionReference.For(call);
            function.WriteTarget(payload, call.Function.Target);
            call.WriteArguments(payload);
            return new PendingCall<TResult>(function, call, payload, context);
        }
        catch (Exception reason)
        {
            payload.Dispose();
            if (reason is UnsendableValueException or PayloadTooLargeException)
                throw new UnsendableCallException($"{call.Name}: {reason.Message}", reason.InnerException);
            throw;
        }
    }
}

/// <summary>What a call leaves with its caller: the receivers of progress and the token.</summary>
internal sealed class CallerSide(CancellationToken token) : TransferContext
{
    private List<IProgressReceiver>? receivers;

    /// <summary>The token that cancels the call: the one given beside the function, else one found among arguments or captured variables.</summary>
    public CancellationToken EffectiveToken { get; private set; } = token;

    public override int AddProgress<T>(IProgress<T> progress)
    {
        (receivers ??= []).Add(new ProgressReceiver<T>(progress));
        return receivers.Count - 1;
    }

    public override void AddToken(CancellationToken token)
    {
        if (EffectiveToken == token)
            return;
        if (EffectiveToken.CanBeCanceled)
        {
            throw new UnsendableValueException(
                "it is another CancellationToken than the call's own, and a call can follow only one; link the two with CancellationTokenSource.CreateLinkedTokenSource.");
        }

        EffectiveToken = token;
    }

    /// <summary>Decodes a report and returns what hands it to the receiver; null if the worker named a receiver that isn't there.</summary>
    public Action? ReadReport(int number, ref PayloadReader reader) =>
        receivers is not null && (uint)number < (uint)receivers.Count ? receivers[number].Read(ref reader) : null;

    private interface IProgressReceiver
    {
        Action Read(ref PayloadReader reader);
    }

    private sealed class ProgressReceiver<T>(IProgress<T> progress) : IProgressReceiver
    {
        public Action Read(ref PayloadReader reader)
        {
            T value = Codec<T>.Instance.Read(ref reader);
            return () => progress.Report(value);
        }
    }
}

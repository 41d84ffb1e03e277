using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Turns a call into bytes, in the caller's own stack, so that what can't travel fails there and before anything was queued.
/// </summary>
internal static class CallEncoder
{
    [ThreadStatic]
    private static CallerSide? spareContext;

    [ThreadStatic]
    private static PayloadWriter? spareWriter;

    /// <summary>Encodes a call for a worker process, which finds the function in the files that lie on disk.</summary>
    /// <inheritdoc cref="Encode"/>
    public static PendingCall<TResult> EncodeForProcess<TResult>(Call<TResult> call, SegmentPool? segments = null)
    {
        if (CodeUpdates.Version != 0)
            call.Reference.RefuseIfUpdated();
        return Encode(call, segments);
    }

    /// <summary>Encodes the function's target and arguments.</summary>
    /// <param name="call">The call.</param>
    /// <param name="segments">Where large payloads go; null for none.</param>
    /// <param name="known">How the other side knows the function; null to name it by its build.</param>
    /// <exception cref="UnsendableCallException">Something in the call can't travel.</exception>
    public static PendingCall<TResult> Encode<TResult>(Call<TResult> call, SegmentPool? segments = null, FunctionReference? known = null)
    {
        // Both are used again by the thread's next call, unless this one keeps them. Taken out meanwhile: a getter of an argument may make a call itself.
        CallerSide context = spareContext ?? new CallerSide();
        PayloadWriter writer = spareWriter ?? new PayloadWriter();
        (spareContext, spareWriter) = (null, null);
        context.Reuse(call.Token);
        writer.Reuse(context, segments);
        try
        {
            FunctionReference function = known ?? call.Reference;
            function.WriteTarget(writer, call.Function.Target);
            call.WriteArguments(writer);
            FaultPoint.Reach(FaultStep.CallEncoded);
            CancellationToken token = context.EffectiveToken;
            bool hasReceivers = context.HasReceivers;
            if (EncodedPayload.Take(writer, out EncodedPayload payload))
                spareWriter = writer;
            PendingCall<TResult> pending = new(function, call, payload, hasReceivers ? context : null, token);
            if (!hasReceivers)
            {
                context.Reuse(default);
                spareContext = context;
            }

            return pending;
        }
        catch (Exception reason)
        {
            writer.Dispose();
            throw Explain(reason, call.Name);
        }
    }

    /// <summary>What to throw when a call's encoding failed.</summary>
    public static Exception Explain(Exception reason, string name) => reason is UnsendableValueException or PayloadTooLargeException
        ? new UnsendableCallException($"{name}: {ExceptionText.MessageOf(reason)}", reason.InnerException)
        : reason;
}

/// <summary>What a call leaves with its caller: the receivers of progress and the token.</summary>
internal sealed class CallerSide : TransferContext
{
    private List<IProgressReceiver>? receivers;

    public bool HasReceivers => receivers is not null;

    /// <summary>The token that cancels the call: the one given beside the function, else one found among arguments or captured variables.</summary>
    public CancellationToken EffectiveToken { get; private set; }

    /// <summary>Sets one that has no receivers up for another call.</summary>
    public void Reuse(CancellationToken token) => EffectiveToken = token;

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

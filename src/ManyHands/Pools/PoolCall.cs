using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Pools;

/// <summary>Where a call of a process pool is. Guarded by the dispatcher's gate.</summary>
internal enum PoolCallState
{
    /// <summary>Waits for a worker.</summary>
    Queued,

    /// <summary>With a worker. What that has not started can still go to another.</summary>
    Sent,

    /// <summary>Its caller has the outcome.</summary>
    Done,
}

/// <summary>
/// What a process pool sends to a worker in one message: one call, or several items of a map that run one after the other. The worker answers for each, in order;
/// the first that ends other than with a result ends the whole.
/// </summary>
internal abstract class PoolCall(FunctionReference function, CallOptions options)
{
    private EncodedPayload payload;

    public FunctionReference Function => function;

    public CallOptions Options => options;

    public string Name => options.Name ?? function.Name;

    /// <summary>Gone once it was given back.</summary>
    public virtual EncodedPayload Payload
    {
        get => payload;
        protected set => payload = value;
    }

    /// <summary>How many items it holds; 1 for a call.</summary>
    public int Count { get; protected set; } = 1;

    /// <summary>Whether each item's bytes come behind their length; a single call needs none.</summary>
    public virtual bool HasLengths => false;

    public abstract CancellationToken Token { get; }

    // What follows is the dispatcher's, guarded by its gate.
    public PoolCallState State { get; set; }

    public PoolWorker? Worker { get; set; }

    /// <summary>The sequence number of its first item with its worker.</summary>
    public long First { get; set; }

    /// <summary>Whether its caller is going to look for the outcome itself.</summary>
    public bool CallerLooks { get; set; }

    /// <summary>How many of its items have an outcome. Written only by who reads from its worker.</summary>
    public int Ended { get; set; }

    public CancellationTokenRegistration Registration { get; set; }

    /// <summary>The end of its timeout, or of its grace.</summary>
    public Deadline? Deadline { get; set; }

    public bool TimedOut { get; set; }

    public bool CancelRequested;

    /// <summary>How many workers died with it sent to them but not started. A call that kills whoever reads it must not go round for ever.</summary>
    public int Returns { get; set; }

    /// <summary>How many workers died while they ran it.</summary>
    public int Crashes { get; set; }

    /// <summary>How long its items ran together, known with the last outcome; zero before.</summary>
    public TimeSpan RunTime { get; set; }

    /// <summary>Hands the outcome of one item on.</summary>
    public abstract void Complete(int index, OutcomeKind kind, ReadOnlyMemory<byte> outcome);

    /// <summary>Hands results of several items on, each behind its length.</summary>
    public virtual void CompleteMany(int index, int count, ReadOnlyMemory<byte> outcomes) => throw new InvalidOperationException("A single call has one outcome.");

    /// <summary>Ends it: what has no outcome yet never gets another.</summary>
    public abstract void Fail(Exception exception);

    /// <inheritdoc cref="Fail"/>
    public abstract void Cancel();

    public abstract void Report(int receiver, ReadOnlyMemory<byte> value);

    /// <summary>A report of the item that runs can't be handed on: the item has no result.</summary>
    public abstract void LoseReport(Exception reason);

    /// <summary>Whether one of its items has no result here, although its worker sent one.</summary>
    public virtual bool HasFailed => false;

    /// <summary>Tells whoever waits that some items were completed.</summary>
    public virtual void Announce()
    {
    }

    /// <summary>All items that are left in it have their outcome, because the others were taken out.</summary>
    public virtual void Finish()
    {
    }

    /// <summary>Takes the items from this one on out, as a call of their own.</summary>
    public virtual PoolCall SplitAt(int index) => throw new InvalidOperationException("A single call can't be split.");

    /// <summary>Forgets the items that have an outcome, so that the others can be sent again.</summary>
    public virtual void ForgetEnded()
    {
    }

    public virtual void ReleasePayload() => EncodedPayload.Release(ref payload);
}

/// <summary>One call of one caller.</summary>
internal sealed class SinglePoolCall : PoolCall
{
    private readonly PendingCall call;

    public SinglePoolCall(PendingCall call)
        : base(call.Function, call.Options)
    {
        this.call = call;
    }

    public override EncodedPayload Payload => call.Payload;

    public override CancellationToken Token => call.Token;

    public override void Complete(int index, OutcomeKind kind, ReadOnlyMemory<byte> outcome) => CallOutcome.Complete(call, kind, outcome);

    public override void Fail(Exception exception) => call.SetException(exception);

    public override void Cancel() => call.SetCanceled();

    public override void Report(int receiver, ReadOnlyMemory<byte> value) => call.Report(receiver, value);

    public override void LoseReport(Exception reason) => call.LoseReport(reason);

    public override void ForgetEnded() => call.ForgetLostReport();

    public override void ReleasePayload() => call.ReleasePayload();
}

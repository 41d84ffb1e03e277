using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>
/// Something that a session asks of an object, answered once: by a result, or by a failure. If it can't be answered at once it waits with the object, which sees to its order; it ends there
/// when its time is over, when it is taken back, or when the session ends.
/// </summary>
internal abstract class HostedRequest(ManagerSession session, Operation operation, TimeSpan timeout)
{
    private int answered;
    private Deadline? deadline;

    public ManagerSession Session => session;

    public Operation Operation => operation;

    /// <summary>How long it may wait; zero not at all.</summary>
    public TimeSpan Timeout => timeout;

    /// <summary>What waits for whom; guarded by the object's gate. Null when it doesn't wait (any more).</summary>
    public LinkedListNode<HostedRequest>? Place { get; set; }

    /// <summary>What the object needs to go on with it.</summary>
    public object? State { get; set; }

    /// <summary>The object it waits with; null before.</summary>
    public HostedObject? Target { get; private set; }

    public bool IsAnswered => Volatile.Read(ref answered) != 0;

    /// <summary>
    /// Looks at what it is about to be given for good, before that is taken: what the receiver has no use for stays where it is, for others. Called under the object's gate; it is answered by this if it returns false.
    /// </summary>
    public virtual bool CanTake(byte[] key, byte[] value) => true;

    /// <summary>Answers with these bytes, one after the other.</summary>
    /// <returns>False if it was answered already, or nobody is there any more: what was to be handed over must go elsewhere.</returns>
    public bool Answer(ReadOnlySpan<byte> head = default, ReadOnlySpan<byte> first = default, ReadOnlySpan<byte> second = default)
    {
        if (!TryEnd() || session.IsEnded)
            return false;
        try
        {
            Send(head, first, second);
            return true;
        }
        catch (Exception reason)
        {
            session.Fail(this, reason);
            return false;
        }
    }

    /// <summary>Answers that it can't be done.</summary>
    public void Refuse(FailureKind kind, string message)
    {
        if (!TryEnd() || session.IsEnded)
            return;
        try
        {
            SendFailure(kind, message);
        }
        catch (Exception reason)
        {
            session.Fail(this, reason);
        }
    }

    /// <summary>Answers with an exception of the object's own.</summary>
    public void Refuse(Exception thrown)
    {
        if (!TryEnd() || session.IsEnded)
            return;
        try
        {
            SendFailure(thrown);
        }
        catch (Exception reason)
        {
            session.Fail(this, reason);
        }
    }

    /// <summary>Answers that serving it threw what nobody foresaw, and tells that here. Who called goes on: it may have been another's turn.</summary>
    public void Fail(Exception reason) => session.Faults.Fail(
        GuardedEntry.ManagerRequest,
        this,
        reason,
        static request => $"the request {request.Operation} of {request.Session.Name}, which failed",
        static (request, reason) => request.Refuse(
            FailureKind.Failed, $"The manager failed at this, and only at this; whether it was done isn't known. Its log has the rest. {reason.GetType().Name}: {ExceptionText.MessageOf(reason)}"));

    /// <summary>Has the object end its wait.</summary>
    public void Withdraw(WithdrawalReason reason)
    {
        if (Target is { } target)
        {
            session.Faults.Run(
                GuardedEntry.ManagerObject,
                (Request: this, Target: target, Reason: reason),
                static one => one.Target.Withdraw(one.Request, one.Reason),
                static one => $"{one.Target}, where the request {one.Request.Operation} of {one.Request.Session.Name} stops waiting ({one.Reason})",
                static (one, thrown) => one.Request.Refuse(FailureKind.Failed, $"The manager failed at ending this. Its log has the rest. {thrown.GetType().Name}: {ExceptionText.MessageOf(thrown)}"));
        }
    }

    /// <summary>It begins to wait. Called under the object's gate, before it can be answered by others.</summary>
    public virtual void BeginWait(HostedObject target)
    {
        Target = target;
        session.Waits(this);
        if (timeout != System.Threading.Timeout.InfiniteTimeSpan)
            deadline = Deadlines.After(timeout, () => Withdraw(WithdrawalReason.TimeOver));
    }

    /// <summary>It doesn't wait any more.</summary>
    protected virtual void EndWait() => session.WaitsNoMore(this);

    protected abstract void Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second);

    protected abstract void SendFailure(FailureKind kind, string message);

    protected abstract void SendFailure(Exception thrown);

    private bool TryEnd()
    {
        if (Interlocked.Exchange(ref answered, 1) != 0)
            return false;
        deadline?.Cancel();
        if (Target is not null)
            EndWait();
        return true;
    }
}

/// <summary>Why a request stops waiting without having got what it waits for.</summary>
internal enum WithdrawalReason
{
    TimeOver,
    Canceled,
    SessionEnded,
}

using ManyHands.Platform;
namespace ManyHands.Managers;

/// <summary>A manager's semaphore, as its users have it.</summary>
internal sealed class RemoteSemaphore(ManagerLink link, string name) : RemoteWaitable(link, name, ObjectKind.Semaphore), ISharedSemaphore
{
    private readonly Lock gate = new();

    // What this client has taken under one connection, and what it had taken under those before: that the manager has taken back itself.
    private object? epoch;
    private int taken;
    private int returned;

    public int Maximum { get; private set; }

    public int CurrentCount => Read(Ask(Operation.State, traits: RequestTraits.Repeatable), static (ref reader) => reader.ReadUnmanaged<int>());

    public override void Learn(ReadOnlyMemory<byte> description) => Maximum = Read(description, static (ref reader) => reader.ReadUnmanaged<int>());

    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    public bool TryWait(TimeSpan timeout, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        return Taken(AskWaiting(Operation.Acquire, default, timeout, RequestTraits.Repeatable, GiveBack, token));
    }

    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    public async ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        return Taken(await AskWaitingAsync(Operation.Acquire, default, timeout, RequestTraits.Repeatable, GiveBack, token).ConfigureAwait(false));
    }

    public int Release(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ThrowIfDisposed();
        int rest;
        int own;
        lock (gate)
        {
            // A permit from before the connection was lost is there again already, and may be another's.
            NoticeLoss();
            int back = Math.Min(returned, count);
            returned -= back;
            rest = count - back;
            own = Math.Min(taken, rest);
            taken -= own;
        }

        if (rest == 0)
            return CurrentCount;
        try
        {
            return Read(Ask(Operation.Release, BitConverter.GetBytes(rest)), static (ref reader) => reader.ReadUnmanaged<int>());
        }
        catch (SynchronizationLockException full)
        {
            lock (gate)
                taken += own;
            throw new SemaphoreFullException(ExceptionText.MessageOf(full));
        }
    }

    private bool Taken(WaitAnswer answer)
    {
        if (answer.Body.Span is not [1])
            return false;
        lock (gate)
        {
            NoticeLoss();
            epoch = answer.Epoch;
            taken++;
        }

        return true;
    }

    private void NoticeLoss()
    {
        if (Link.IsCurrent(epoch))
            return;
        returned += taken;
        taken = 0;
    }

    private void GiveBack(ReadOnlyMemory<byte> answer)
    {
        if (answer.Span is [1])
            Link.Post(this, Operation.Release, BitConverter.GetBytes(1));
    }
}

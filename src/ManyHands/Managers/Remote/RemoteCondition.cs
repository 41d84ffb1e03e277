namespace ManyHands.Managers;

/// <summary>A manager's condition, as its users have it.</summary>
/// <param name="lockOf">The lock of that name, or of this condition itself for null.</param>
internal sealed class RemoteCondition(ManagerLink link, string name, Func<string?, RemoteLock> lockOf) : RemoteWaitable(link, name, ObjectKind.Condition), ISharedCondition
{
    private const int All = -1;

    private string? lockName;

    /// <summary>The one that others have who ask for it by its name, so that it is known who holds it.</summary>
    public RemoteLock Lock => lockOf(lockName);

    ISharedLock ISharedCondition.Lock => Lock;

    public override void Learn(ReadOnlyMemory<byte> description) => lockName = Read(description, static (ref reader) =>
    {
        reader.ReadByte();
        return reader.ReadString();
    });

    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    public bool TryWait(TimeSpan timeout, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        RemoteLock sharedLock = Lock;
        RemoteLock.Stay stay = sharedLock.Suspend();
        WaitAnswer answer;
        try
        {
            answer = AskWaiting(Operation.WaitFor, BitConverter.GetBytes(stay.Number), timeout, RequestTraits.AnswerIsOwed, sharedLock.GiveBack, token);
        }
        catch (Exception failure) when (failure is not SynchronizationLockException)
        {
            sharedLock.Restore(stay);
            throw;
        }

        return Returned(sharedLock, stay, answer, token);
    }

    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    public async ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default)
    {
        RemoteLock sharedLock = Lock;
        sharedLock.RefuseReentrant();
        BeginWait(timeout, token);
        RemoteLock.Stay stay = sharedLock.Suspend();
        WaitAnswer answer;
        try
        {
            answer = await AskWaitingAsync(Operation.WaitFor, BitConverter.GetBytes(stay.Number), timeout, RequestTraits.AnswerIsOwed, sharedLock.GiveBack, token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not SynchronizationLockException)
        {
            sharedLock.Restore(stay);
            throw;
        }

        return Returned(sharedLock, stay, answer, token);
    }

    public void Notify(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Say(count);
    }

    public void NotifyAll() => Say(All);

    private void Say(int count)
    {
        ThrowIfDisposed();
        byte[] body = new byte[8 + 4];
        BitConverter.TryWriteBytes(body, Lock.RequireHeld().Number);
        BitConverter.TryWriteBytes(body.AsSpan(8), count);
        Ask(Operation.Notify, body);
    }

    // However it ended, the lock is held again.
    private bool Returned(RemoteLock sharedLock, RemoteLock.Stay before, WaitAnswer answer, CancellationToken token)
    {
        (bool wasNotified, long number, bool wasAbandoned) = Read(answer.Body, static (ref reader) => (reader.ReadByte() != 0, reader.ReadUnmanaged<long>(), reader.ReadByte() != 0));
        sharedLock.Resume(before, number, wasAbandoned, answer.Epoch);
        if (wasNotified)
            return true;
        token.ThrowIfCancellationRequested();
        ThrowIfDisposed();
        return false;
    }
}

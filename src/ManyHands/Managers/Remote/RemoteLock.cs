using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A manager's lock, as its users have it: one object for all threads of a client, so that it knows whether this client holds it, and which thread does if it is reentrant. A stay is over when its connection is, whoever knows.
/// </summary>
/// <param name="kind">A condition's own lock is asked for as that condition.</param>
internal sealed class RemoteLock(ManagerLink link, string name, ObjectKind kind = ObjectKind.Lock) : RemoteWaitable(link, name, kind), ISharedLock, ILockOwner
{
    // Only its holder takes it away, and the manager lets nobody enter before it is told of that.
    private Stay? current;
    private long lastHold;

    public bool IsReentrant { get; private set; }

    public bool IsHeldHere => Held is not null;

    public bool WasAbandoned => Held is { WasAbandoned: true };

    /// <summary>This caller's stay.</summary>
    private Stay? Held => Volatile.Read(ref current) is { } stay && !IsDisposed && Link.IsCurrent(stay.Epoch) && (!IsReentrant || stay.Thread == Environment.CurrentManagedThreadId) ? stay : null;

    public override void Learn(ReadOnlyMemory<byte> description) => IsReentrant = Read(description, static (ref reader) => reader.ReadByte() != 0);

    public SharedLock.Scope Enter(CancellationToken token = default)
    {
        TryEnter(Timeout.InfiniteTimeSpan, out SharedLock.Scope scope, token);
        return scope;
    }

    public bool TryEnter(out SharedLock.Scope scope) => TryEnter(TimeSpan.Zero, out scope);

    public bool TryEnter(TimeSpan timeout, out SharedLock.Scope scope, CancellationToken token = default)
    {
        BeginWait(timeout, token);
        if (IsReentrant && Held is { } held)
        {
            scope = new(this, held.Hold, ++held.Depth, held.WasAbandoned);
            return true;
        }

        return Entered(AskWaiting(Operation.Enter, default, timeout, RequestTraits.Repeatable, GiveBack, token), out scope);
    }

    public async ValueTask<SharedLock.Scope> EnterAsync(CancellationToken token = default) => (await TryEnterAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false))!.Value;

    public async ValueTask<SharedLock.Scope?> TryEnterAsync(TimeSpan timeout, CancellationToken token = default)
    {
        RefuseReentrant();
        BeginWait(timeout, token);
        return Entered(await AskWaitingAsync(Operation.Enter, default, timeout, RequestTraits.Repeatable, GiveBack, token).ConfigureAwait(false), out SharedLock.Scope scope) ? scope : null;
    }

    public void Exit()
    {
        ThrowIfDisposed();
        Leave(RequireHeld());
    }

    void ILockOwner.Leave(in SharedLock.Scope scope)
    {
        if (IsDisposed || Volatile.Read(ref current) is not { } stay || stay.Hold != scope.Hold || !Link.IsCurrent(stay.Epoch) || (IsReentrant && stay.Depth < scope.Depth))
            return;
        RequireHeld();
        try
        {
            Leave(stay);
        }
        catch (Exception over) when (over is ConnectionLostException or ObjectDisposedException or SynchronizationLockException or ManagerException { Error: ManagerError.Gone })
        {
            // The stay has ended, with the connection or the manager.
        }
    }

    public void RefuseReentrant()
    {
        if (IsReentrant)
            throw new NotSupportedException("A reentrant lock belongs to a thread, and what comes after an await may run on another. Register the lock with isReentrant: false, or enter with Enter and without an await inside.");
    }

    /// <summary>The stay that a call needs.</summary>
    /// <exception cref="SynchronizationLockException">Not held here.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public Stay RequireHeld()
    {
        ThrowIfDisposed();
        return Held ?? throw new SynchronizationLockException(NotHeld());
    }

    /// <summary>For a wait in between: from now on it isn't held here, whatever the depth.</summary>
    /// <exception cref="SynchronizationLockException">Not held here.</exception>
    public Stay Suspend()
    {
        Stay stay = RequireHeld();
        TakeAway(stay);
        return stay;
    }

    /// <summary>The wait wasn't begun, or ended with the connection: what became of the stay, that tells.</summary>
    public void Restore(Stay stay) => Interlocked.CompareExchange(ref current, stay, null);

    /// <summary>After a wait in between: the manager has entered it again.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of meanwhile, so that it was left.</exception>
    public void Resume(Stay before, long number, bool wasAbandoned, object? epoch) =>
        Begin(new Stay(before.Hold, number, epoch, wasAbandoned, before.Thread) { Depth = before.Depth });

    /// <summary>Gives back what nobody waits for any more, with the news that came with it.</summary>
    public void GiveBack(ReadOnlyMemory<byte> answer)
    {
        PayloadReader reader = new(answer);
        if (answer.Length < 1 + 8 + 1)
            return;
        reader.ReadByte();
        long number = reader.ReadUnmanaged<long>();
        Link.Post(this, Operation.Exit, ExitBody(number, isAbandoned: reader.ReadByte() != 0));
    }

    protected override void DisposeOnce()
    {
        base.DisposeOnce();
        Abandon();
    }

    private static byte[] ExitBody(long number, bool isAbandoned)
    {
        byte[] body = new byte[8 + 1];
        BitConverter.TryWriteBytes(body, number);
        body[8] = isAbandoned ? (byte)1 : (byte)0;
        return body;
    }

    private bool Entered(WaitAnswer answer, out SharedLock.Scope scope)
    {
        (bool isEntered, long number, bool wasAbandoned) = Read(answer.Body, static (ref reader) => reader.ReadByte() != 0 ? (true, reader.ReadUnmanaged<long>(), reader.ReadByte() != 0) : default);
        scope = default;
        if (!isEntered)
            return false;
        Stay stay = new(Interlocked.Increment(ref lastHold), number, answer.Epoch, wasAbandoned, IsReentrant ? Environment.CurrentManagedThreadId : 0);
        Begin(stay);
        scope = new(this, stay.Hold, stay.Depth, wasAbandoned);
        return true;
    }

    private void Begin(Stay stay)
    {
        Interlocked.Exchange(ref current, stay);
        if (!IsDisposed)
            return;

        // Entered when it was disposed of just now, which may have left it already.
        Abandon();
        ThrowIfDisposed();
    }

    private void Leave(Stay stay)
    {
        if (IsReentrant && --stay.Depth > 0)
            return;
        TakeAway(stay);
        Ask(Operation.Exit, BitConverter.GetBytes(stay.Number));
    }

    private void TakeAway(Stay stay)
    {
        // Another thread may have left it in this moment.
        if (Interlocked.CompareExchange(ref current, null, stay) != stay)
            throw new SynchronizationLockException(NotHeld());
    }

    private void Abandon()
    {
        if (Interlocked.Exchange(ref current, null) is { } stay && Link.IsCurrent(stay.Epoch))
            Link.Post(this, Operation.Exit, ExitBody(stay.Number, isAbandoned: true));
    }

    private string NotHeld()
    {
        if (Volatile.Read(ref current) is not { } stay)
            return $"This process doesn't hold '{Name}': enter it first.";
        return Link.IsCurrent(stay.Epoch)
            ? $"Thread {stay.Thread} of this process holds the reentrant lock '{Name}', and this is thread {Environment.CurrentManagedThreadId}: only who entered it may leave it or wait with it."
            : $"The connection to the manager was lost while this process held '{Name}'. To the manager a new connection is a new client: the lock is free since then, or another's. Enter it again, and look at what it guards.";
    }

    /// <summary>One stay in the lock.</summary>
    /// <param name="Hold">Its number here, which stays the same over waits in between.</param>
    /// <param name="Number">Its number with the manager.</param>
    /// <param name="Epoch">The connection that it is held by.</param>
    /// <param name="WasAbandoned">Whether the holder before it was lost.</param>
    /// <param name="Thread">Whose it is, if it is reentrant.</param>
    public sealed record Stay(long Hold, long Number, object? Epoch, bool WasAbandoned, int Thread)
    {
        /// <summary>How often its thread has entered.</summary>
        public int Depth { get; set; } = 1;
    }
}

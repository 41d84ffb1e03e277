using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// A lock that threads of several processes share. If its holder's process ends, however it ends, whoever enters next is told (<see cref="Scope.WasAbandoned"/>), and what the lock guards may be half changed.
/// </summary>
/// <remarks>
/// <code>
/// using (var hold = sharedLock.Enter())
/// {
///     if (hold.WasAbandoned)
///         Repair();
///     …
/// }
/// </code>
/// <para>
/// Pass it to workers as an argument or a captured variable: what arrives is the same lock. The holder is the process: its threads exclude each other, but any of them may leave, as after an await. A reentrant
/// lock's holder is one thread of it. A process that is stopped holds what it holds. A thread that ends leaves its lock held. Nobody is promised a turn.
/// </para>
/// <para>
/// A waiter finds out about a holder's death within 200 ms or at the end of its time. The processes have to see each other under the same process ids (not be in different containers). On Linux only.
/// </para>
/// </remarks>
public sealed class SharedLock : ISharedLock, ISharedObject<SharedLock>, ILockOwner, IWaitable, IDisposable
{
    private readonly SharedBlock block;
    private readonly unsafe SharedLockBody* body;
    private int disposed;
    private long lastHold;

    /// <summary>Makes a lock that nobody holds.</summary>
    /// <param name="reentrant">Whether a thread that holds it may enter again; it leaves as often.</param>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedLock(bool reentrant = false)
        : this(SharedBlock.Create(SharedKind.Lock, SharedLockBody.Size, reentrant ? 1 : 0))
    {
    }

    internal unsafe SharedLock(SharedBlock block)
    {
        this.block = block;
        body = (SharedLockBody*)block.Body;
        IsReentrant = block.Detail == 1;
    }

    /// <summary>Whether a thread that holds it may enter again.</summary>
    public bool IsReentrant { get; }

    /// <summary>Whether this process holds it; for a reentrant lock, whether this thread does.</summary>
    public unsafe bool IsHeldHere => disposed == 0 && IsHeld(body);

    /// <summary>For the holder: whether the one before it ended without leaving. The same as <see cref="Scope.WasAbandoned"/>, and also right after a wait for a <see cref="SharedCondition"/>.</summary>
    public unsafe bool WasAbandoned => IsHeldHere && body->WasAbandoned != 0;

    internal SharedBlock Block => block;

    internal unsafe SharedLockBody* Body => body;

    /// <summary>Enters, however long that takes.</summary>
    /// <returns>To be disposed of to leave.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting.</exception>
    public unsafe Scope Enter(CancellationToken token = default)
    {
        if (!IsReentrant && disposed == 0 && !token.IsCancellationRequested && RobustLock.TryEnterFree(&body->Word))
            return Entered(wasAbandoned: false);
        Enter(Timeout.InfiniteTimeSpan, token, out Scope scope);
        return scope;
    }

    /// <summary>Enters if nobody that lives holds it.</summary>
    /// <returns>Whether it was entered; then dispose of the scope to leave.</returns>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public bool TryEnter(out Scope scope) => Enter(TimeSpan.Zero, default, out scope);

    /// <summary>Enters, or gives up when the time is over.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Whether it was entered; then dispose of the scope to leave.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting.</exception>
    public bool TryEnter(TimeSpan timeout, out Scope scope, CancellationToken token = default) => Enter(WaitAttempt.Checked(timeout), token, out scope);

    /// <summary>Enters, holding no thread while it waits.</summary>
    /// <returns>To be disposed of to leave, on any thread.</returns>
    /// <exception cref="NotSupportedException">The lock is reentrant: it would belong to a thread, and what comes after an await may run on another.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting.</exception>
    public async ValueTask<Scope> EnterAsync(CancellationToken token = default) => (await TryEnterAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false))!.Value;

    /// <summary>Enters, or gives up when the time is over, holding no thread while it waits.</summary>
    /// <returns>Null if the time was over.</returns>
    /// <inheritdoc cref="EnterAsync"/>
    /// <inheritdoc cref="TryEnter(TimeSpan, out Scope, CancellationToken)"/>
    public async ValueTask<Scope?> TryEnterAsync(TimeSpan timeout, CancellationToken token = default)
    {
        RefuseReentrant();
        WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        LockOutcome outcome = await EnterWordAsync(timeout, token).ConfigureAwait(false);
        return outcome == LockOutcome.TimedOut ? null : Entered(outcome == LockOutcome.EnteredAbandoned);
    }

    /// <summary>Leaves; the same as disposing of the scope, for code that has none at hand.</summary>
    /// <exception cref="SynchronizationLockException">This process, or this thread if the lock is reentrant, doesn't hold it.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Exit()
    {
        ThrowIfDisposed();
        Leave();
        GC.KeepAlive(this);
    }

    /// <summary>
    /// Ends its use in this process; others go on. Threads of this process that wait through this object get <see cref="ObjectDisposedException"/>. If it is held through this object, whoever enters next is told
    /// that it was abandoned.
    /// </summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        RobustLock.WakeAll(&body->Word);
        if (RobustLock.IsHeldHere(&body->Word) && body->Hold == Volatile.Read(ref lastHold))
        {
            body->OwnerThread = 0;
            RobustLock.TryAbandon(&body->Word);
        }

        block.EndUser();
    }

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    SharedReference ISharedObject<SharedLock>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedLock ISharedObject<SharedLock>.Attach(in SharedReference reference) => new(AttachBlock(in reference));

    internal static SharedBlock AttachBlock(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Lock);
        if (block.BodySize == SharedLockBody.Size)
            return block;
        long size = block.BodySize;
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedLock has {SharedLockBody.Size:N0} bytes, and there are {size:N0}; the memory is of another version.");
    }

    /// <summary>For a wait in between: leaves whatever the depth, to come back to it.</summary>
    /// <param name="untold">Nobody has heard yet that it was abandoned: the next is told instead.</param>
    /// <exception cref="SynchronizationLockException">Not held here.</exception>
    internal unsafe (long Hold, int Depth) Suspend(bool untold)
    {
        ThrowIfDisposed();
        ThrowIfNotHeld();
        (long, int) state = (body->Hold, body->Depth);
        body->OwnerThread = 0;
        if (untold && body->WasAbandoned != 0)
            RobustLock.TryAbandon(&body->Word);
        else
            RobustLock.Exit(&body->Word);
        GC.KeepAlive(this);
        return state;
    }

    internal unsafe void Resume((long Hold, int Depth) state)
    {
        ThrowIfDisposed();
        RobustLock.Enter(&body->Word, Timeout.InfiniteTimeSpan, default, out bool wasAbandoned, this);
        Restore(state, wasAbandoned);
    }

    internal async ValueTask ResumeAsync((long Hold, int Depth) state)
    {
        ThrowIfDisposed();
        Restore(state, await EnterWordAsync(Timeout.InfiniteTimeSpan, default).ConfigureAwait(false) == LockOutcome.EnteredAbandoned);
    }

    internal unsafe void ThrowIfNotHeld()
    {
        if (!IsHeld(body))
            throw new SynchronizationLockException(NotHeld());
    }

    internal void RefuseReentrant()
    {
        if (IsReentrant)
            throw new NotSupportedException("A reentrant lock belongs to a thread, and what comes after an await may run on another. Make the lock with reentrant: false, or enter with Enter and without an await inside.");
    }

    private unsafe bool Enter(TimeSpan timeout, CancellationToken token, out Scope scope)
    {
        ThrowIfDisposed();
        if (IsReentrant && IsHeld(body))
        {
            token.ThrowIfCancellationRequested();
            scope = new(this, body->Hold, ++body->Depth, body->WasAbandoned != 0);
            return true;
        }

        token.ThrowIfCancellationRequested();
        if (RobustLock.TryEnterFree(&body->Word))
        {
            scope = Entered(wasAbandoned: false);
            return true;
        }

        return EnterSlowly(timeout, out scope, token);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private unsafe bool EnterSlowly(TimeSpan timeout, out Scope scope, CancellationToken token)
    {
        ThrowIfDisposed();
        bool entered = RobustLock.Enter(&body->Word, timeout, token, out bool wasAbandoned, this);
        scope = entered ? Entered(wasAbandoned) : default;
        return entered;
    }

    private unsafe ValueTask<LockOutcome> EnterWordAsync(TimeSpan timeout, CancellationToken token) => RobustLock.EnterAsync(&body->Word, timeout, token, this);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private unsafe Scope Entered(bool wasAbandoned)
    {
        FaultPoint.Reach(FaultStep.LockTaken);
        long hold = ++body->Holds;
        Restore((hold, 1), wasAbandoned);
        lastHold = hold;
        FaultPoint.Reach(FaultStep.LockEntered);
        if (disposed != 0)
            LeaveDisposed();
        return new(this, hold, 1, wasAbandoned);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private unsafe void Restore((long Hold, int Depth) state, bool wasAbandoned)
    {
        body->Hold = state.Hold;
        body->WasAbandoned = wasAbandoned ? 1 : 0;
        if (IsReentrant)
        {
            body->Depth = state.Depth;
            body->OwnerThread = OwnThread;
        }

        GC.KeepAlive(this);
    }

    // Entered when it was disposed of just now, which may have left it already.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private unsafe void LeaveDisposed()
    {
        if (RobustLock.IsHeldHere(&body->Word))
        {
            body->OwnerThread = 0;
            RobustLock.TryAbandon(&body->Word);
        }

        ThrowIfDisposed();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private unsafe void Leave()
    {
        if (IsReentrant)
        {
            ThrowIfNotHeld();
            if (--body->Depth > 0)
                return;

            // Before the word: who enters next must not meet this thread's name under it.
            body->OwnerThread = 0;
            FaultPoint.Reach(FaultStep.LockLeaving);
        }

        RobustLock.Exit(&body->Word);
    }

    unsafe void ILockOwner.Leave(in Scope scope)
    {
        if (disposed != 0 || !RobustLock.IsHeldHere(&body->Word) || body->Hold != scope.Hold || (IsReentrant && body->Depth < scope.Depth))
            return;
        Leave();
        GC.KeepAlive(this);
    }

    private unsafe bool IsHeld(SharedLockBody* body) => RobustLock.IsHeldHere(&body->Word) && (!IsReentrant || body->OwnerThread == OwnThread);

    private unsafe string NotHeld() => RobustLock.IsHeldHere(&body->Word)
        ? $"Thread {body->OwnerThread >> 32} of this process holds the reentrant lock, and this is thread {Environment.CurrentManagedThreadId}: only who entered it may leave it or wait with it."
        : "This process doesn't hold the lock: enter it first.";

    private static ulong OwnThread => ((ulong)(uint)Environment.CurrentManagedThreadId << 32) | (uint)RobustLock.Own;

    /// <summary>One stay in a <see cref="SharedLock"/> or a manager's lock; disposing of it leaves. Disposing of it again, or of a copy, does nothing.</summary>
    public readonly record struct Scope : IDisposable
    {
        private readonly ILockOwner? owner;

        internal Scope(ILockOwner owner, long hold, int depth, bool wasAbandoned)
        {
            this.owner = owner;
            Hold = hold;
            Depth = depth;
            WasAbandoned = wasAbandoned;
        }

        /// <summary>Whether the holder before this one ended without leaving, so that what the lock guards may be half changed. Told once: to the first that enters after it.</summary>
        public bool WasAbandoned { get; }

        internal long Hold { get; }

        internal int Depth { get; }

        /// <summary>Leaves, if it hasn't been left.</summary>
        /// <exception cref="SynchronizationLockException">The lock is reentrant and was entered by another thread.</exception>
        public void Dispose() => owner?.Leave(in this);
    }
}

/// <summary>The memory of a <see cref="SharedLock"/>: one page with the block's header. Its conditions come behind it. Written by the holder, except for the word.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SharedLockBody
{
    public const int MostConditions = 30;
    public const int Size = 128 * (1 + MostConditions);

    [FieldOffset(0)]
    public ulong Word;

    /// <summary>Process below, thread above; only if reentrant.</summary>
    [FieldOffset(8)]
    public ulong OwnerThread;

    /// <summary>How many there have been.</summary>
    [FieldOffset(16)]
    public long Holds;

    /// <summary>The number of the current one; after a wait for a condition it is the same as before.</summary>
    [FieldOffset(24)]
    public long Hold;

    [FieldOffset(32)]
    public int Depth;

    [FieldOffset(36)]
    public int WasAbandoned;

    /// <summary>How many conditions were made; by whoever makes one.</summary>
    [FieldOffset(40)]
    public int Conditions;
}

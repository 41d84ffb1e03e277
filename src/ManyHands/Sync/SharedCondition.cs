using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Sync;

namespace ManyHands;

/// <summary>
/// Has threads of several processes wait, with a <see cref="SharedLock"/>, until others say that something has changed. Waiting leaves the lock and enters it again before it returns.
/// </summary>
/// <remarks>
/// <code>
/// using (sharedLock.Enter())
/// {
///     while (!IsReady)
///         condition.Wait();
///     …
/// }
/// </code>
/// <para>
/// Look at what you wait for in a loop: after a waiter's process was killed, a later notification may wake one waiter too many. It never wakes one too few: what a dead waiter was to have, the next takes. Sometimes that
/// takes 200 ms. <see cref="NotifyAll"/> forgets the dead.
/// </para>
/// <para>It travels with its lock, which a worker finds in <see cref="Lock"/>. On Linux only.</para>
/// </remarks>
public sealed class SharedCondition : ISharedCondition, ISharedObject<SharedCondition>, IWaitable, IDisposable
{
    private readonly SharedBlock block;
    private readonly unsafe SharedConditionBody* body;
    private readonly int number;
    private readonly bool ownsLock;
    private int disposed;

    /// <summary>Makes a condition of a lock. A lock can have 30 in its life.</summary>
    /// <param name="sharedLock">Held by whoever calls this object's methods.</param>
    /// <exception cref="InvalidOperationException">The lock has had 30 conditions.</exception>
    /// <exception cref="ObjectDisposedException">The lock was disposed of in this process.</exception>
    public SharedCondition(SharedLock sharedLock)
        : this(sharedLock, Claim(sharedLock), ownsLock: false)
    {
    }

    private unsafe SharedCondition(SharedLock sharedLock, int number, bool ownsLock)
    {
        Lock = sharedLock;
        block = sharedLock.Block;
        block.AddUser();
        this.number = number;
        this.ownsLock = ownsLock;
        body = (SharedConditionBody*)(block.Body + ((number + 1) * sizeof(SharedConditionBody)));
    }

    /// <summary>The lock that goes with it.</summary>
    public SharedLock Lock { get; }

    ISharedLock ISharedCondition.Lock => Lock;

    /// <summary>Leaves the lock, waits until notified, and enters the lock again.</summary>
    /// <exception cref="SynchronizationLockException">The lock isn't held here.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the lock is held again.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting; the lock is held again, unless it was disposed of itself.</exception>
    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    /// <summary>Leaves the lock, waits until notified or the time is over, and enters the lock again, however long that takes.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Whether it was notified.</returns>
    /// <inheritdoc cref="Wait"/>
    public bool TryWait(TimeSpan timeout, CancellationToken token = default)
    {
        long due = Begin(timeout, token, out long ticket, out ChangeAttempt attempt);
        for (bool again = false; ; again = true)
        {
            (long, int) state = Lock.Suspend(untold: again);
            FaultPoint.Reach(FaultStep.ConditionSleeping);
            Exception? end = null;
            bool changed = false;
            try
            {
                changed = attempt.Run(Left(due), token);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                end = failure;
            }

            FaultPoint.Reach(FaultStep.ConditionWoken);
            Lock.Resume(state);
            if (Look(ticket, changed, end, ref attempt) is { } notified)
                return notified;
        }
    }

    /// <summary>Leaves the lock, waits until notified, and enters the lock again; holds no thread meanwhile.</summary>
    /// <exception cref="NotSupportedException">The lock is reentrant.</exception>
    /// <inheritdoc cref="Wait"/>
    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    /// <summary>Leaves the lock, waits until notified or the time is over, and enters the lock again; holds no thread meanwhile.</summary>
    /// <exception cref="NotSupportedException">The lock is reentrant.</exception>
    /// <inheritdoc cref="TryWait"/>
    public async ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default)
    {
        Lock.RefuseReentrant();
        long due = Begin(timeout, token, out long ticket, out ChangeAttempt attempt);
        for (bool again = false; ; again = true)
        {
            (long, int) state = Lock.Suspend(untold: again);
            FaultPoint.Reach(FaultStep.ConditionSleeping);
            Exception? end = null;
            bool changed = false;
            try
            {
                changed = await attempt.RunAsync(Left(due), token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                end = failure;
            }

            FaultPoint.Reach(FaultStep.ConditionWoken);
            await Lock.ResumeAsync(state).ConfigureAwait(false);
            if (Look(ticket, changed, end, ref attempt) is { } notified)
                return notified;
        }
    }

    /// <summary>Lets waiters go on, as soon as they can enter the lock.</summary>
    /// <param name="count">How many at most. Those that begin to wait later aren't meant.</param>
    /// <exception cref="SynchronizationLockException">The lock isn't held here.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Notify(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ThrowIfNotHeld();
        int more = (int)Math.Min(count, (long)body->Waiting - body->Notifications);
        if (more <= 0)
            return;
        HaveWaitersLook();
        body->Limit = body->Tickets;
        body->Notifications += more;
        Wake(more);
    }

    /// <summary>Lets all go on that wait now.</summary>
    /// <inheritdoc cref="Notify"/>
    public unsafe void NotifyAll()
    {
        ThrowIfNotHeld();
        if (body->Waiting == 0)
            return;
        HaveWaitersLook();
        body->AllBefore = body->Tickets;
        body->Notifications = 0;
        body->Waiting = 0;
        Wake(int.MaxValue);
    }

    /// <summary>Ends its use in this process; others go on. Who waits through this object gets <see cref="ObjectDisposedException"/>.</summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        Linux.FutexWake(&body->Wakes, int.MaxValue);
        block.EndUser();
        if (ownsLock)
            Lock.Dispose();
    }

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    SharedReference ISharedObject<SharedCondition>.Refer()
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        return block.Refer(number);
    }

    static SharedCondition ISharedObject<SharedCondition>.Attach(in SharedReference reference)
    {
        if (reference.Offset is < 0 or >= SharedLockBody.MostConditions)
            throw new CorruptSharedMemoryException($"A SharedCondition should be number {reference.Offset} of a lock's at most {SharedLockBody.MostConditions}.");
        return new(new SharedLock(SharedLock.AttachBlock(in reference)), (int)reference.Offset, ownsLock: true);
    }

    private static unsafe int Claim(SharedLock sharedLock)
    {
        ArgumentNullException.ThrowIfNull(sharedLock);
        sharedLock.ThrowIfDisposed();
        int number = Interlocked.Increment(ref sharedLock.Body->Conditions) - 1;
        if (number is >= 0 and < SharedLockBody.MostConditions)
            return number;
        Interlocked.Decrement(ref sharedLock.Body->Conditions);
        throw new InvalidOperationException($"The lock has had {SharedLockBody.MostConditions} conditions, and can have no more. Make one per thing to wait for, not per wait; or another lock.");
    }

    private static TimeSpan Left(long due) => due == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks((Math.Max(due - FutexWaits.Now, 0) + 99) / 100);

    private unsafe long Begin(TimeSpan timeout, CancellationToken token, out long ticket, out ChangeAttempt attempt)
    {
        WaitAttempt.Checked(timeout);
        ThrowIfNotHeld();
        token.ThrowIfCancellationRequested();
        ticket = body->Tickets++;
        body->Waiting++;
        FaultPoint.Reach(FaultStep.ConditionRegistered);
        attempt = new(&body->Wakes, body->Wakes, this);
        return timeout == Timeout.InfiniteTimeSpan || timeout.TotalSeconds > int.MaxValue ? long.MaxValue : FutexWaits.Now + (timeout.Ticks * 100);
    }

    // With the lock held. Whether it was notified, or null to wait on.
    private unsafe bool? Look(long ticket, bool changed, Exception? end, ref ChangeAttempt attempt)
    {
        FaultPoint.Reach(FaultStep.ConditionReentered);
        if (ticket < body->AllBefore)
            return true;
        if (body->Notifications > 0 && ticket < body->Limit)
        {
            body->Notifications--;
            FaultPoint.Reach(FaultStep.ConditionTaken);
            body->Waiting--;
            return true;
        }

        if (changed && end is null)
        {
            attempt = new(&body->Wakes, body->Wakes, this);
            return null;
        }

        body->Waiting--;
        if (end is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(end);
        return false;
    }

    // Before what they are told: who is killed in between leaves them with a look at what is there, and not with a notification that nobody comes for.
    private unsafe void HaveWaitersLook()
    {
        Volatile.Write(ref body->Wakes, body->Wakes + 1);
        FaultPoint.Reach(FaultStep.ConditionWaking);
    }

    private unsafe void Wake(int count)
    {
        FaultPoint.Reach(FaultStep.ConditionNotified);
        Linux.FutexWake(&body->Wakes, count);
        GC.KeepAlive(this);
    }

    private void ThrowIfNotHeld()
    {
        ObjectDisposedException.ThrowIf(disposed != 0, this);
        Lock.ThrowIfDisposed();
        Lock.ThrowIfNotHeld();
    }
}

/// <summary>The memory of a <see cref="SharedCondition"/>, behind its lock's. Written by the lock's holder only.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SharedConditionBody
{
    /// <summary>Counts what was said; waiters sleep on it.</summary>
    [FieldOffset(0)]
    public uint Wakes;

    /// <summary>Said and not yet taken by a waiter.</summary>
    [FieldOffset(4)]
    public int Notifications;

    /// <summary>Who waits or was killed waiting.</summary>
    [FieldOffset(8)]
    public int Waiting;

    /// <summary>The next waiter's number.</summary>
    [FieldOffset(16)]
    public long Tickets;

    /// <summary>Notifications are for waiters below it.</summary>
    [FieldOffset(24)]
    public long Limit;

    /// <summary>All below it have been notified.</summary>
    [FieldOffset(32)]
    public long AllBefore;
}

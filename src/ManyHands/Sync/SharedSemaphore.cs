using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// A number of permits that threads of several processes take and give back. When a process ends, however it ends, the permits it took and nobody gave back are there again.
/// </summary>
/// <remarks>
/// <para>
/// It is remembered how many permits each process has taken. Giving back counts for the process that does it; what it hadn't taken counts for others that have, so permits may be handed over. A dead process's
/// permits are returned when somebody finds none left: within 200 ms of waiting, or at the end of its time.
/// </para>
/// <para>
/// 256 processes at a time are remembered that way. What further ones take while so many hold permits is lost if they die before they give it back.
/// </para>
/// <para>
/// For a limit, then; as a signal take a <see cref="SharedEvent"/> or a <see cref="SharedCondition"/>. Pass it to workers as an argument or a captured variable: what arrives is the same semaphore. Nobody is
/// promised a turn. On Linux only.
/// </para>
/// </remarks>
public sealed class SharedSemaphore : ISharedSemaphore, ISharedObject<SharedSemaphore>, IWaitable, IDisposable
{
    private static readonly TimeSpan GuardPatience = TimeSpan.FromMilliseconds(1);

    private readonly SharedBlock block;
    private readonly unsafe SharedSemaphoreBody* body;
    private int disposed;
    private int place;

    /// <summary>Makes a semaphore.</summary>
    /// <param name="initial">How many permits there are at first, from 0 to the maximum.</param>
    /// <param name="maximum">How many there can be, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public unsafe SharedSemaphore(int initial, int maximum)
        : this(SharedBlock.Create(SharedKind.Semaphore, SharedSemaphoreBody.Size, Checked(initial, maximum)))
    {
        body->Available = initial;
        body->Total = initial;
    }

    private unsafe SharedSemaphore(SharedBlock block)
    {
        this.block = block;
        body = (SharedSemaphoreBody*)block.Body;
        Maximum = (int)block.Detail;
    }

    /// <summary>How many permits there can be.</summary>
    public int Maximum { get; }

    /// <summary>How many permits are there at this moment, without those that dead processes still have.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe int CurrentCount
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref body->Available);
        }
    }

    /// <summary>Takes a permit, however long that takes.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting.</exception>
    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    /// <summary>Takes a permit, or gives up when the time is over.</summary>
    /// <param name="timeout">How long to wait, never less; zero to look only; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Whether a permit was taken.</returns>
    /// <inheritdoc cref="Wait"/>
    public bool TryWait(TimeSpan timeout, CancellationToken token = default) => Begin(timeout, token).Run(timeout, token);

    /// <summary>Takes a permit, holding no thread while it waits.</summary>
    /// <inheritdoc cref="Wait"/>
    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    /// <summary>Takes a permit, or gives up when the time is over, holding no thread while it waits.</summary>
    /// <inheritdoc cref="TryWait"/>
    public ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default) => Begin(timeout, token).RunAsync(timeout, token);

    /// <summary>Gives permits back, or adds some.</summary>
    /// <param name="count">How many, at least 1.</param>
    /// <returns>How many there were before.</returns>
    /// <exception cref="SemaphoreFullException">There would be more than the maximum; none was given back.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe int Release(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ThrowIfDisposed();
        EnterGuard(Timeout.InfiniteTimeSpan);
        try
        {
            int before = body->Available;
            if (count > Maximum - before)
                throw new SemaphoreFullException($"{before} of at most {Maximum} permits are there, and {count} more can't be: more were given back than taken.");
            GiveBack(count);
            FaultPoint.Reach(FaultStep.PermitGivenBack);
            body->Available = before + count;
            FaultPoint.Reach(FaultStep.PermitAvailable);
            Wake(count);
            return before;
        }
        finally
        {
            LeaveGuard();
        }
    }

    /// <summary>
    /// Ends its use in this process; others go on. Who waits through this object gets <see cref="ObjectDisposedException"/>. Permits that this process has are not given back by that, but by its end.
    /// </summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        Linux.FutexWake(&body->Wakes, int.MaxValue);
        RobustLock.WakeAll(&body->Guard);
        block.EndUser();
    }

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    SharedReference ISharedObject<SharedSemaphore>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedSemaphore ISharedObject<SharedSemaphore>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Semaphore);
        if (block.BodySize == SharedSemaphoreBody.Size && block.Detail is > 0 and <= int.MaxValue)
            return new(block);
        (long size, long maximum) = (block.BodySize, block.Detail);
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedSemaphore has {SharedSemaphoreBody.Size:N0} bytes and a maximum of at least 1, and there are {size:N0} and {maximum:N0}; the memory is of another version.");
    }

    private static int Checked(int initial, int maximum)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximum, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(initial);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(initial, maximum);
        return maximum;
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    private Attempt Begin(TimeSpan timeout, CancellationToken token)
    {
        WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        token.ThrowIfCancellationRequested();
        return new(this);
    }

    private unsafe bool EnterGuard(TimeSpan timeout)
    {
        if (!RobustLock.Enter(&body->Guard, timeout, default, out bool wasAbandoned, this))
            return false;
        FaultPoint.Reach(FaultStep.SemaphoreGuarded);
        if (wasAbandoned)
            Recount();
        return true;
    }

    private unsafe void LeaveGuard()
    {
        RobustLock.Exit(&body->Guard);
        GC.KeepAlive(this);
    }

    // Each change of the table or the total is a step that holds by itself. What is available follows from them, so a process that died in between leaves nothing else to mend.
    private unsafe void Recount()
    {
        long held = 0;
        for (int i = 0; i < SharedSemaphoreBody.Places; i++)
            held += Math.Max(Place(i)->Permits, 0);
        body->Available = (int)Math.Clamp(body->Total - held, 0, Maximum);
        body->Sleepers = 1;
    }

    private unsafe bool Take()
    {
        if (body->Available <= 0)
            return false;
        SharedSemaphorePlace* own = OwnPlace();
        if (own is null)
            body->Total--;
        else
            own->Permits++;
        FaultPoint.Reach(FaultStep.PermitTaken);
        body->Available--;
        FaultPoint.Reach(FaultStep.PermitCounted);
        return true;
    }

    private unsafe void GiveBack(int count)
    {
        SharedSemaphorePlace* own = Place(place);
        if (own->Holder == RobustLock.Own)
            count -= TakeFrom(own, count);
        for (int i = 0; count > 0 && i < SharedSemaphoreBody.Places; i++)
            count -= TakeFrom(Place(i), count);
        body->Total += count;
    }

    private static unsafe int TakeFrom(SharedSemaphorePlace* holder, int count)
    {
        int taken = Math.Clamp(holder->Permits, 0, count);
        holder->Permits -= taken;
        return taken;
    }

    private unsafe SharedSemaphorePlace* OwnPlace()
    {
        if (Place(place)->Holder == RobustLock.Own)
            return Place(place);
        int free = -1;
        for (int i = 0; i < SharedSemaphoreBody.Places; i++)
        {
            if (Place(i)->Holder == RobustLock.Own)
                return Place(place = i);
            if (free < 0 && Place(i)->Permits <= 0)
                free = i;
        }

        if (free < 0)
            return null;
        Place(free)->Permits = 0;
        Place(free)->Holder = RobustLock.Own;
        FaultPoint.Reach(FaultStep.SemaphorePlaced);
        return Place(place = free);
    }

    private unsafe void ReturnPermitsOfTheDead()
    {
        int returned = 0;
        for (int i = 0; i < SharedSemaphoreBody.Places; i++)
        {
            if (Place(i)->Permits <= 0 || !RobustLock.HasOwnerEnded(Place(i)->Holder))
                continue;
            returned += Place(i)->Permits;
            Place(i)->Permits = 0;
        }

        if (returned == 0)
            return;
        FaultPoint.Reach(FaultStep.DeadPermitTaken);
        body->Available = Math.Clamp(body->Available + returned, 0, Maximum);
        Wake(returned);
    }

    // The sign of sleepers stays until fewer sleep than there are permits for. Who has set it and doesn't sleep yet finds the word changed.
    private unsafe void Wake(int count)
    {
        if (body->Sleepers == 0)
            return;
        Volatile.Write(ref body->Wakes, body->Wakes + 1);
        FaultPoint.Reach(FaultStep.SemaphoreWaking);
        if (Linux.FutexWake(&body->Wakes, count) < count)
            body->Sleepers = 0;
    }

    private unsafe SharedSemaphorePlace* Place(int number) => (SharedSemaphorePlace*)((byte*)body + SharedSemaphoreBody.TableOffset) + number;

    private sealed class Attempt(SharedSemaphore owner) : WaitAttempt(owner)
    {
        private bool hasLooked;

        protected override unsafe bool IsReadyAtAGlance => Volatile.Read(ref owner.body->Available) > 0;

        protected override bool WasInTheMiddle => !hasLooked && IsReadyAtAGlance;

        protected override unsafe bool Try(bool thorough, out WaitWord until)
        {
            SharedSemaphoreBody* body = owner.body;
            hasLooked = owner.EnterGuard(GuardPatience);
            if (!hasLooked)
            {
                until = new((nint)(&body->Guard), (uint)Volatile.Read(ref body->Guard));
                return false;
            }

            if (thorough && body->Available <= 0)
                owner.ReturnPermitsOfTheDead();
            bool taken = owner.Take();
            if (!taken)
                body->Sleepers = 1;
            until = new((nint)(&body->Wakes), body->Wakes);
            owner.LeaveGuard();
            FaultPoint.Reach(taken ? FaultStep.PermitGot : FaultStep.SemaphoreSleeping);
            return taken;
        }

        protected override unsafe void GiveUp()
        {
            if (Volatile.Read(ref owner.body->Available) > 0)
                Linux.FutexWake(&owner.body->Wakes, 1);
        }
    }
}

/// <summary>The memory of a <see cref="SharedSemaphore"/>, before its table of holders. All of it is the guard's holder's.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SharedSemaphoreBody
{
    public const int Places = 256;
    public const int TableOffset = 128;
    public const int Size = TableOffset + (Places * 16);

    [FieldOffset(0)]
    public ulong Guard;

    /// <summary>Counts wake-ups; waiters sleep on it.</summary>
    [FieldOffset(8)]
    public uint Wakes;

    /// <summary>Not 0 if somebody may sleep.</summary>
    [FieldOffset(12)]
    public uint Sleepers;

    /// <summary>The total without what the table says is taken.</summary>
    [FieldOffset(16)]
    public int Available;

    /// <summary>Permits that are available or in the table.</summary>
    [FieldOffset(20)]
    public int Total;
}

/// <summary>What a process has taken.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct SharedSemaphorePlace
{
    /// <summary>As in a robust lock's word. Anyone may take the place when there are no permits in it.</summary>
    [FieldOffset(0)]
    public ulong Holder;

    [FieldOffset(8)]
    public int Permits;
}

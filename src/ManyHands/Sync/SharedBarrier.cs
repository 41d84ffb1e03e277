using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>One passing of a <see cref="SharedBarrier"/>.</summary>
/// <param name="Index">The how-manieth this party was to arrive, from 0: each has another, so one of them can be told to do something.</param>
/// <param name="Phase">Which passing of the barrier this was, from 0, counting those that broke.</param>
public readonly record struct BarrierPassage(int Index, long Phase);

/// <summary>A barrier that others wait at can't be passed any more: one of them died, ran out of time, was cancelled, or aborted it. <see cref="SharedBarrier.Reset"/> makes it whole again.</summary>
public sealed class BrokenBarrierException : Exception
{
    internal BrokenBarrierException(string message)
        : base(message)
    {
    }
}

/// <summary>Where threads of several processes wait until a number of them have come; then all go on, and it begins anew.</summary>
/// <remarks>
/// <para>
/// If one of those who wait doesn't stay, because its time is over, it is cancelled or its process ends, the barrier is broken: the others get <see cref="BrokenBarrierException"/>, a death's within 200 ms, and so does
/// everyone that comes later, until <see cref="Reset"/>. A process that ends before it came is waited for; that's what timeouts are for.
/// </para>
/// <para>Pass it to workers as an argument or a captured variable: what arrives is the same barrier. On Linux only.</para>
/// </remarks>
public sealed class SharedBarrier : ISharedBarrier, ISharedObject<SharedBarrier>, IWaitable, IDisposable
{
    private const int MostParties = 32767;
    private static readonly TimeSpan GuardPatience = TimeSpan.FromMilliseconds(1);

    private readonly SharedBlock block;
    private readonly unsafe SharedBarrierBody* body;
    private int waiting;
    private int disposed;

    /// <summary>Makes a barrier.</summary>
    /// <param name="parties">How many have to come, from 1 to 32,767.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedBarrier(int parties)
        : this(SharedBlock.Create(SharedKind.Barrier, Size(Checked(parties)), parties))
    {
    }

    private unsafe SharedBarrier(SharedBlock block)
    {
        this.block = block;
        body = (SharedBarrierBody*)block.Body;
        Parties = (int)block.Detail;
    }

    /// <summary>How many have to come.</summary>
    public int Parties { get; }

    /// <summary>How many wait at this moment.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe int Waiting
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref body->Arrived);
        }
    }

    /// <summary>Whether it is broken.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe bool IsBroken
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref body->Broken) != 0 || Volatile.Read(ref *Outcome(Volatile.Read(ref body->Phase))) == SharedBarrierBody.BrokenOutcome;
        }
    }

    /// <summary>Comes, and waits for the others.</summary>
    /// <param name="action">Called by whoever comes last, before any goes on. If it throws, the barrier breaks, and the exception is its caller's.</param>
    /// <exception cref="BrokenBarrierException">It was broken, or broke meanwhile.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; by that the barrier broke.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting; by the latter the barrier broke.</exception>
    public BarrierPassage SignalAndWait(Action? action = null, CancellationToken token = default)
    {
        TrySignalAndWait(Timeout.InfiniteTimeSpan, out BarrierPassage passage, action, token);
        return passage;
    }

    /// <summary>Comes, and waits for the others until the time is over. Then it is broken.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="passage">What became of it.</param>
    /// <returns>False if the time was over.</returns>
    /// <inheritdoc cref="SignalAndWait"/>
    public bool TrySignalAndWait(TimeSpan timeout, out BarrierPassage passage, Action? action = null, CancellationToken token = default)
    {
        Begin(timeout, token);
        Interlocked.Increment(ref waiting);
        try
        {
            Attempt attempt = new(this, action);
            bool ended;
            try
            {
                ended = attempt.Run(timeout, token);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                if (!attempt.Leave())
                    throw;
                ended = true;
            }

            return attempt.End(ended, out passage);
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>Comes, and waits for the others, holding no thread.</summary>
    /// <inheritdoc cref="SignalAndWait"/>
    public async ValueTask<BarrierPassage> SignalAndWaitAsync(Action? action = null, CancellationToken token = default) =>
        (await TrySignalAndWaitAsync(Timeout.InfiniteTimeSpan, action, token).ConfigureAwait(false))!.Value;

    /// <summary>Comes, and waits for the others until the time is over, holding no thread. Then it is broken.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Null if the time was over.</returns>
    /// <inheritdoc cref="SignalAndWait"/>
    public async ValueTask<BarrierPassage?> TrySignalAndWaitAsync(TimeSpan timeout, Action? action = null, CancellationToken token = default)
    {
        Begin(timeout, token);
        Interlocked.Increment(ref waiting);
        try
        {
            Attempt attempt = new(this, action);
            bool ended;
            try
            {
                ended = await attempt.RunAsync(timeout, token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                if (!attempt.Leave())
                    throw;
                ended = true;
            }

            return attempt.End(ended, out BarrierPassage passage) ? passage : null;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>Breaks it, for all that wait and will come, until <see cref="Reset"/>.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public void Abort()
    {
        Change(() => EndPhase(passed: false));
    }

    /// <summary>Begins anew. Those who wait get <see cref="BrokenBarrierException"/>; who comes from now on doesn't.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Reset()
    {
        Change(() =>
        {
            if (body->Arrived != 0)
                EndPhase(passed: false);
            body->Broken = 0;
        });
    }

    /// <summary>Ends its use in this process; others go on. Who waits through this object gets <see cref="ObjectDisposedException"/>, and the barrier is broken for the others.</summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        if (Volatile.Read(ref waiting) != 0)
            Break(Volatile.Read(ref body->Phase));
        block.EndUser();
    }

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    SharedReference ISharedObject<SharedBarrier>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedBarrier ISharedObject<SharedBarrier>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Barrier);
        if (block.Detail is > 0 and <= MostParties && block.BodySize == Size((int)block.Detail))
            return new(block);
        (long size, long parties) = (block.BodySize, block.Detail);
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedBarrier of {parties:N0} parties can't have {size:N0} bytes; the memory is of another version.");
    }

    private static int Checked(int parties)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parties, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parties, MostParties);
        return parties;
    }

    private static unsafe long Size(int parties) => sizeof(SharedBarrierBody) + ((long)parties * sizeof(ulong));

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    private void Begin(TimeSpan timeout, CancellationToken token)
    {
        WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        token.ThrowIfCancellationRequested();
    }

    private void Change(Action change)
    {
        ThrowIfDisposed();
        EnterGuard(Timeout.InfiniteTimeSpan, this);
        change();
        LeaveGuard();
    }

    // Whoever died at it has arrived or not, by one write. A phase whose end is decided and nothing more, by one that died or couldn't have the guard, is ended here.
    private unsafe bool EnterGuard(TimeSpan timeout, IWaitable? waitable)
    {
        if (!RobustLock.Enter(&body->Guard, timeout, default, out _, waitable))
            return false;
        FaultPoint.Reach(FaultStep.BarrierGuarded);
        if (*Outcome(body->Phase) != SharedBarrierBody.Open)
            EndPhase(passed: false);
        return true;
    }

    private unsafe void LeaveGuard()
    {
        RobustLock.Exit(&body->Guard);
        GC.KeepAlive(this);
    }

    private unsafe void EndPhase(bool passed)
    {
        uint phase = body->Phase;
        Decide(phase, passed);
        FaultPoint.Reach(FaultStep.BarrierDecided);
        if (*Outcome(phase) != SharedBarrierBody.PassedOutcome)
            body->Broken = 1;
        body->Arrived = 0;
        *Outcome(phase + 1) = SharedBarrierBody.Open;
        Volatile.Write(ref body->Phase, phase + 1);
        FaultPoint.Reach(FaultStep.BarrierPublished);
        Linux.FutexWake(&body->Phase, int.MaxValue);
    }

    // Unless it is decided already.
    private unsafe void Decide(uint phase, bool passed) =>
        Interlocked.CompareExchange(ref *Outcome(phase), passed ? SharedBarrierBody.PassedOutcome : SharedBarrierBody.BrokenOutcome, SharedBarrierBody.Open);

    // Whoever is stopped at the guard must not keep others beyond their time: then the next that has it does the rest.
    private unsafe void Break(uint phase)
    {
        if (EnterGuard(GuardPatience, null))
        {
            if (body->Phase == phase)
                EndPhase(passed: false);
            LeaveGuard();
            return;
        }

        Decide(phase, passed: false);
        Linux.FutexWake(&body->Phase, int.MaxValue);
    }

    // Of the last 64 phases: who sleeps through so many doesn't learn how its own ended, but can't have left it either.
    private unsafe byte* Outcome(uint phase) => (byte*)body + SharedBarrierBody.OutcomesOffset + (phase % SharedBarrierBody.Outcomes);

    private unsafe ulong* Party(int number) => (ulong*)(body + 1) + number;

    private sealed class Attempt(SharedBarrier owner, Action? action) : WaitAttempt(owner)
    {
        private int index = -1;
        private uint phase;

        protected override unsafe bool Try(bool thorough, out WaitWord until)
        {
            SharedBarrierBody* body = owner.body;
            if (index >= 0 && !thorough)
            {
                until = new((nint)(&body->Phase), phase);
                return HasEnded || Sleeps();
            }

            if (!owner.EnterGuard(GuardPatience, owner))
            {
                until = new((nint)(&body->Guard), (uint)Volatile.Read(ref body->Guard));
                return index >= 0 && HasEnded;
            }

            bool ended;
            try
            {
                until = new((nint)(&body->Phase), body->Phase);
                ended = index >= 0 && HasEnded;
                if (!ended && thorough)
                    BreakIfOneDied();
                if (!ended)
                    ended = index < 0 ? Arrive(ref until) : HasEnded;
            }
            finally
            {
                owner.LeaveGuard();
            }

            return ended || Sleeps();
        }

        private unsafe bool HasEnded => Volatile.Read(ref owner.body->Phase) != phase || Volatile.Read(ref *owner.Outcome(phase)) != SharedBarrierBody.Open;

        private static bool Sleeps()
        {
            FaultPoint.Reach(FaultStep.BarrierSleeping);
            return false;
        }

        /// <summary>Breaks the phase for the others, unless it has ended.</summary>
        /// <returns>Whether it had been passed.</returns>
        public unsafe bool Leave()
        {
            if (index < 0 || owner.disposed != 0)
                return false;
            owner.Break(phase);
            return *owner.Outcome(phase) == SharedBarrierBody.PassedOutcome;
        }

        /// <summary>Whether it was passed; false if only the time was over.</summary>
        public unsafe bool End(bool ended, out BarrierPassage passage)
        {
            passage = new(index, phase);
            if (!ended)
                return Leave();
            if (*owner.Outcome(phase) != SharedBarrierBody.PassedOutcome)
                throw Broken();
            FaultPoint.Reach(FaultStep.BarrierPassed);
            return true;
        }

        private unsafe bool Arrive(ref WaitWord until)
        {
            SharedBarrierBody* body = owner.body;
            if (body->Broken != 0)
                throw Broken();

            // All are there, and the last of them is at its action.
            if (body->Arrived >= owner.Parties)
                return false;
            phase = body->Phase;
            index = Math.Max(body->Arrived, 0);
            *owner.Party(index) = RobustLock.Own;
            FaultPoint.Reach(FaultStep.BarrierNamed);
            body->Arrived = index + 1;
            FaultPoint.Reach(index + 1 < owner.Parties ? FaultStep.BarrierArrived : FaultStep.BarrierComplete);
            if (index + 1 < owner.Parties)
                return false;
            if (action is not null)
                RunAction();
            if (body->Phase == phase)
                owner.EndPhase(passed: true);
            return true;
        }

        private unsafe void RunAction()
        {
            SharedBarrierBody* body = owner.body;
            owner.LeaveGuard();
            bool done = false;
            try
            {
                action!();
                done = true;
            }
            finally
            {
                owner.EnterGuard(Timeout.InfiniteTimeSpan, null);
                if (!done && body->Phase == phase)
                    owner.EndPhase(passed: false);
            }
        }

        private unsafe void BreakIfOneDied()
        {
            SharedBarrierBody* body = owner.body;
            int arrived = Math.Min(body->Arrived, owner.Parties);
            ulong alive = RobustLock.Own;
            for (int i = 0; i < arrived; i++)
            {
                ulong party = *owner.Party(i);
                if (party == alive)
                    continue;
                if (!RobustLock.IsOwnerAlive(party))
                {
                    owner.EndPhase(passed: false);
                    return;
                }

                alive = party;
            }
        }

        private static BrokenBarrierException Broken() =>
            new("The barrier is broken: one of those who waited died, ran out of time, was cancelled, or aborted it. Call Reset when all know.");
    }
}

/// <summary>The memory of a <see cref="SharedBarrier"/>, before the processes of those that have come, in the form of a robust lock's word. Written by the guard's holder.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SharedBarrierBody
{
    public const int OutcomesOffset = 64;
    public const int Outcomes = 64;

    /// <summary>How a phase ended: it hasn't. Goes over, in one step, into one of the others, and back when the byte's next phase begins.</summary>
    public const byte Open = 0;
    public const byte PassedOutcome = 1;
    public const byte BrokenOutcome = 2;

    [FieldOffset(0)]
    public ulong Guard;

    /// <summary>Counts passings and breaks; waiters sleep on it.</summary>
    [FieldOffset(8)]
    public uint Phase;

    [FieldOffset(12)]
    public int Broken;

    [FieldOffset(16)]
    public int Arrived;
}

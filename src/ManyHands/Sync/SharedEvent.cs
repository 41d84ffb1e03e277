using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>Whom one <see cref="SharedEvent.Set"/> lets go on.</summary>
public enum SharedEventMode
{
    /// <summary>Everyone, until <see cref="SharedEvent.Reset"/>.</summary>
    ManualReset,

    /// <summary>One, who resets it by that.</summary>
    AutoReset,
}

/// <summary>A signal that threads of several processes wait for.</summary>
/// <remarks>
/// <para>
/// Setting never waits for anyone. With <see cref="SharedEventMode.ManualReset"/>, all go on that waited when it was set, even if it is reset at once. With <see cref="SharedEventMode.AutoReset"/> it is reset in the same
/// step in which a waiter goes on, so a waiter that is killed before takes nothing with it: the next one goes on, within 200 ms. Setting what is set changes nothing.
/// </para>
/// <para>Pass it to workers as an argument or a captured variable: what arrives is the same event. On Linux only.</para>
/// </remarks>
public sealed class SharedEvent : ISharedEvent, ISharedObject<SharedEvent>, IWaitable, IDisposable
{
    private readonly SharedBlock block;
    private readonly unsafe SharedEventBody* body;
    private int disposed;

    /// <summary>Makes an event.</summary>
    /// <param name="mode">Whom it lets go on.</param>
    /// <param name="isSet">Whether it is set from the start.</param>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public unsafe SharedEvent(SharedEventMode mode = SharedEventMode.ManualReset, bool isSet = false)
        : this(SharedBlock.Create(SharedKind.Event, sizeof(SharedEventBody), (long)Checked(mode))) => body->State = isSet ? SharedEventBody.Set : 0;

    private unsafe SharedEvent(SharedBlock block)
    {
        this.block = block;
        body = (SharedEventBody*)block.Body;
        Mode = (SharedEventMode)block.Detail;
    }

    /// <summary>Whom it lets go on.</summary>
    public SharedEventMode Mode { get; }

    /// <summary>Whether it is set.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe bool IsSet
    {
        get
        {
            ThrowIfDisposed();
            return (Volatile.Read(ref body->State) & SharedEventBody.Set) != 0;
        }
    }

    /// <summary>Sets it.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Set()
    {
        ThrowIfDisposed();
        bool all = Mode == SharedEventMode.ManualReset;
        while (true)
        {
            uint seen = Volatile.Read(ref body->State);
            uint next = seen | SharedEventBody.Set;
            if (all)
                next = (next & ~SharedEventBody.Sleepers) + SharedEventBody.OneSet;
            if (Interlocked.CompareExchange(ref body->State, next, seen) != seen)
                continue;
            FaultPoint.Reach(FaultStep.EventSet);

            // The sign of sleepers stays until a wake-up finds none: one that is woken may leave others behind.
            if ((seen & SharedEventBody.Sleepers) != 0 && Linux.FutexWake(&body->State, all ? int.MaxValue : 1) == 0 && !all)
                Interlocked.CompareExchange(ref body->State, next & ~SharedEventBody.Sleepers, next);
            break;
        }

        GC.KeepAlive(this);
    }

    /// <summary>Resets it.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Reset()
    {
        ThrowIfDisposed();
        Interlocked.And(ref body->State, ~SharedEventBody.Set);
        GC.KeepAlive(this);
    }

    /// <summary>Waits until it is set.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting.</exception>
    public void Wait(CancellationToken token = default) => TryWait(Timeout.InfiniteTimeSpan, token);

    /// <summary>Waits until it is set or the time is over.</summary>
    /// <param name="timeout">How long to wait, never less; zero to look only; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Whether it was set.</returns>
    /// <inheritdoc cref="Wait"/>
    public bool TryWait(TimeSpan timeout, CancellationToken token = default) => Begin(ref timeout, token).Run(timeout, token);

    /// <summary>Waits until it is set, holding no thread.</summary>
    /// <inheritdoc cref="Wait"/>
    public async ValueTask WaitAsync(CancellationToken token = default) => await TryWaitAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);

    /// <summary>Waits until it is set or the time is over, holding no thread.</summary>
    /// <inheritdoc cref="TryWait"/>
    public ValueTask<bool> TryWaitAsync(TimeSpan timeout, CancellationToken token = default) => Begin(ref timeout, token).RunAsync(timeout, token);

    /// <summary>Ends its use in this process; others go on. Who waits through this object gets <see cref="ObjectDisposedException"/>.</summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        Linux.FutexWake(&body->State, int.MaxValue);
        block.EndUser();
    }

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    SharedReference ISharedObject<SharedEvent>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedEvent ISharedObject<SharedEvent>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Event);
        return new(block);
    }

    private static SharedEventMode Checked(SharedEventMode mode) => mode is SharedEventMode.ManualReset or SharedEventMode.AutoReset
        ? mode
        : throw new ArgumentOutOfRangeException(nameof(mode), mode, "It is neither ManualReset nor AutoReset.");

    private Attempt Begin(ref TimeSpan timeout, CancellationToken token)
    {
        WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        token.ThrowIfCancellationRequested();
        return new(this);
    }

    private sealed class Attempt(SharedEvent owner) : WaitAttempt(owner)
    {
        private readonly unsafe uint begun = Volatile.Read(ref owner.body->State) >> SharedEventBody.SetsShift;

        protected override unsafe bool IsReadyAtAGlance =>
            Volatile.Read(ref owner.body->State) is var seen && ((seen & SharedEventBody.Set) != 0 || (owner.Mode == SharedEventMode.ManualReset && seen >> SharedEventBody.SetsShift != begun));

        protected override unsafe bool Try(bool thorough, out WaitWord until)
        {
            uint* state = &owner.body->State;
            while (true)
            {
                uint seen = Volatile.Read(ref *state);
                until = new((nint)state, seen | SharedEventBody.Sleepers);
                if ((seen & SharedEventBody.Set) != 0)
                {
                    if (owner.Mode == SharedEventMode.ManualReset || Interlocked.CompareExchange(ref *state, seen & ~SharedEventBody.Set, seen) == seen)
                        return Taken();
                }
                else if (owner.Mode == SharedEventMode.ManualReset && seen >> SharedEventBody.SetsShift != begun)
                {
                    return Taken();
                }
                else if ((seen & SharedEventBody.Sleepers) != 0 || Interlocked.CompareExchange(ref *state, seen | SharedEventBody.Sleepers, seen) == seen)
                {
                    FaultPoint.Reach(FaultStep.EventSleeping);
                    return false;
                }
            }
        }

        private static bool Taken()
        {
            FaultPoint.Reach(FaultStep.EventTaken);
            return true;
        }

        protected override unsafe void GiveUp()
        {
            if (owner.Mode == SharedEventMode.AutoReset && (Volatile.Read(ref owner.body->State) & SharedEventBody.Set) != 0)
                Linux.FutexWake(&owner.body->State, 1);
        }
    }
}

/// <summary>The memory of a <see cref="SharedEvent"/>: one word, which is the futex.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SharedEventBody
{
    public const uint Set = 1;

    /// <summary>Somebody may sleep.</summary>
    public const uint Sleepers = 2;

    /// <summary>From here on up: how often it was set, if it is reset by hand.</summary>
    public const int SetsShift = 2;
    public const uint OneSet = 1 << SetsShift;

    [FieldOffset(0)]
    public uint State;
}

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Queues;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// One end of a pipe that processes share (<see cref="SharedPipe"/>). What is sent into one end is received at the other, by whichever process has that: children, grandchildren and workers of
/// pools are passed it like any other argument.
/// </summary>
/// <remarks>
/// <para>Messages are copied. Each arrives whole or not at all, once, in the order in which they were sent; several threads and processes may use one end. What may be one is what may be an item of a <see cref="SharedQueue{T}"/>.</para>
/// <para>A pipe ends: when every process that had an end has disposed of it or died, the other end receives what is still there and then gets <see cref="EndOfStreamException"/>, and what it sends is
/// refused with <see cref="PipeBrokenException"/>. A death is noticed within 200 ms or so. A process that keeps a copy of an end which it doesn't use keeps the pipe open: dispose of the copy once the end is on its way, as
/// what is on its way to another process holds the pipe open by itself: to a call until that has ended, elsewhere for up to five seconds. An item of a queue, which may take longer, needs a copy that is kept till then.</para>
/// <para>A process that was passed an end disposes of it, or ends.</para>
/// <para>On Linux only.</para>
/// </remarks>
/// <typeparam name="T">What the messages are; the same on both sides.</typeparam>
public sealed class SharedPipeEnd<T> : ISharedObject<SharedPipeEnd<T>>, ISelectable, IWaitable, IDisposable
{
    private readonly SharedBlock first;
    private readonly SharedBlock? second;
    private readonly int side;
    private readonly PipeHolders holders;
    private readonly MessageLane? incoming;
    private readonly MessageLane? outgoing;
    private readonly SharedUse use;
    private readonly Spinning spinning = new();
    private int isSpinning;

    internal SharedPipeEnd(SharedBlock first, SharedBlock? second, int side)
    {
        this.first = first;
        this.second = second;
        this.side = side;
        MessageLane toFirst = new(first);
        MessageLane? toSecond = second is null ? null : new(second);
        (incoming, outgoing) = side == 0 ? (toFirst, toSecond) : (toSecond, toFirst);
        use = new(GiveBack);
        holders = PipeHolders.Enter(first, side);
    }

    /// <summary>An end that a worker was passed and has forgotten keeps the pipe open only until it is collected.</summary>
    ~SharedPipeEnd() => Guarded.Run(GuardedEntry.PipeFinalizer, this, static end => end.Collected(), static _ => "an end of a pipe");

    /// <summary>Whether this end receives.</summary>
    public bool CanReceive => incoming is not null;

    /// <summary>Whether this end sends.</summary>
    public bool CanSend => outgoing is not null;

    /// <summary>Whether a message can be received now.</summary>
    /// <exception cref="InvalidOperationException">This end only sends.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public bool IsMessageWaiting
    {
        get
        {
            MessageLane lane = Incoming;
            use.Begin(this);
            try
            {
                return !lane.IsEmpty;
            }
            finally
            {
                use.End();
            }
        }
    }

    private MessageLane Incoming => incoming ?? throw new InvalidOperationException("This end of the pipe only sends. Receive at the other, or make the pipe with SharedPipe.CreateDuplex.");

    private MessageLane Outgoing => outgoing ?? throw new InvalidOperationException("This end of the pipe only receives. Send at the other, or make the pipe with SharedPipe.CreateDuplex.");

    /// <summary>Sends a message, and waits for room first if the pipe is full.</summary>
    /// <param name="message">What to send; it is copied.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="PipeBrokenException">Nobody has the other end any more.</exception>
    /// <exception cref="InvalidOperationException">This end only receives.</exception>
    /// <exception cref="UnsendableCallException">The message can't travel, or is larger than the whole pipe may be; the exception says what to do.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the message was not sent.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the pipe.</exception>
    /// <exception cref="IOException">The pipe should grow, and the machine has no memory left.</exception>
    public void Send(T message, CancellationToken cancellationToken = default) => TrySend(message, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Sends a message if there is room now.</summary>
    /// <returns>False if the pipe is full.</returns>
    /// <inheritdoc cref="Send"/>
    public bool TrySend(T message) => TrySend(message, TimeSpan.Zero);

    /// <summary>Sends a message, if there is room within that time.</summary>
    /// <param name="message">What to send; it is copied.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the pipe was full all the time.</returns>
    /// <inheritdoc cref="Send"/>
    public bool TrySend(T message, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages encoded = Encode(message);
        return new Sending(this, encoded).Run(timeout, cancellationToken);
    }

    /// <summary>Sends bytes as a message that is an array of them.</summary>
    internal bool TrySendBytes(ReadOnlySpan<byte> message, TimeSpan timeout, CancellationToken cancellationToken)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages encoded = EncodeBytes(message);
        return new Sending(this, encoded).Run(timeout, cancellationToken);
    }

    /// <inheritdoc cref="TrySendBytes"/>
    internal async ValueTask SendBytesAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages encoded = EncodeBytes(message.Span);
        await new Sending(this, encoded).RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Receives a message that is an array of bytes into the caller's buffer.</summary>
    internal unsafe bool TryReceiveBytes(Span<byte> buffer, out int length, TimeSpan timeout, CancellationToken cancellationToken)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        fixed (byte* pinned = buffer)
        {
            ReceivingBytes receiving = new(this, (nint)pinned, buffer.Length);
            bool received = receiving.Run(timeout, cancellationToken);
            length = receiving.Length;
            return received;
        }
    }

    /// <inheritdoc cref="TryReceiveBytes"/>
    internal async ValueTask<int> ReceiveBytesAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using MemoryHandle pinned = buffer.Pin();
        ReceivingBytes receiving = new(this, AddressOf(in pinned), buffer.Length);
        await receiving.RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        return receiving.Length;
    }

    private static unsafe nint AddressOf(in MemoryHandle handle) => (nint)handle.Pointer;

    /// <summary>Sends a message, and waits for room first if the pipe is full, without holding a thread.</summary>
    /// <inheritdoc cref="Send"/>
    public async ValueTask SendAsync(T message, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using OutgoingMessages encoded = Encode(message);
        await new Sending(this, encoded).RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Receives the next message, and waits for one if there is none.</summary>
    /// <param name="cancellationToken">Ends the wait; nothing was received then.</param>
    /// <exception cref="EndOfStreamException">There is no message left, and nobody has the other end any more.</exception>
    /// <exception cref="InvalidOperationException">This end only sends.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the pipe.</exception>
    public T Receive(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ReceivingMessage receiving = new(this);
        receiving.Run(Timeout.InfiniteTimeSpan, cancellationToken);
        return receiving.Message!;
    }

    /// <summary>Receives the next message if there is one now.</summary>
    /// <param name="message">The message.</param>
    /// <returns>False if there is none yet.</returns>
    /// <inheritdoc cref="Receive"/>
    public bool TryReceive([MaybeNullWhen(false)] out T message) => TryReceive(out message, TimeSpan.Zero);

    /// <summary>Receives the next message, if there is one within that time.</summary>
    /// <param name="message">The message.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait; nothing was received then.</param>
    /// <returns>False if there was none all the time, and one may still come.</returns>
    /// <inheritdoc cref="Receive"/>
    public bool TryReceive([MaybeNullWhen(false)] out T message, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        ReceivingMessage receiving = new(this);
        bool received = receiving.Run(timeout, cancellationToken);
        message = receiving.Message;
        return received;
    }

    /// <summary>Receives the next message, and waits for one if there is none, without holding a thread.</summary>
    /// <inheritdoc cref="Receive"/>
    public async ValueTask<T> ReceiveAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ReceivingMessage receiving = new(this);
        await receiving.RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        return receiving.Message!;
    }

    /// <summary>Receives messages until nobody has the other end any more.</summary>
    /// <param name="cancellationToken">Ends the receiving.</param>
    /// <exception cref="InvalidOperationException">This end only sends.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the pipe.</exception>
    public async IAsyncEnumerable<T> ReceiveAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ReceivingMessage receiving = new(this) { MayEnd = true };
            await receiving.RunAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
            if (receiving.IsAtEnd)
                yield break;
            yield return receiving.Message!;
        }
    }

    /// <inheritdoc cref="ReceiveAllAsync"/>
    public IEnumerable<T> ReceiveAll(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ReceivingMessage receiving = new(this) { MayEnd = true };
            receiving.Run(Timeout.InfiniteTimeSpan, cancellationToken);
            if (receiving.IsAtEnd)
                yield break;
            yield return receiving.Message!;
        }
    }

    /// <summary>Waits until <see cref="Receive"/> has something to say at once, be it a message or the end of the stream. With several receivers another may be faster.</summary>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if there was nothing all the time.</returns>
    /// <inheritdoc cref="ReceiveAllAsync" path="exception"/>
    public bool WaitToReceive(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        cancellationToken.ThrowIfCancellationRequested();
        return new WaitingToReceive(this).Run(timeout, cancellationToken);
    }

    /// <summary>The same without holding a thread.</summary>
    /// <inheritdoc cref="WaitToReceive"/>
    public ValueTask<bool> WaitToReceiveAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _ = WaitAttempt.Checked(timeout);
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<bool>(cancellationToken) : new WaitingToReceive(this).RunAsync(timeout, cancellationToken);
    }

    /// <summary>
    /// This process has no more use for this object; callers that wait with it get <see cref="ObjectDisposedException"/>. If no process has this end any more, the other end gets what is there and then the end of the stream.
    /// </summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (!use.Dispose())
            return;
        WakeAll();
        use.End();
    }

    /// <inheritdoc/>
    public override string ToString() => $"SharedPipeEnd<{typeof(T).Name}>";

    SharedReference ISharedObject<SharedPipeEnd<T>>.Refer()
    {
        use.Begin(this);
        try
        {
            // The second lane is where the first is; of its reference only the descriptor and the ticket are needed.
            long other = second?.Refer() is { } reference ? ((long)reference.Ticket << 32) | (uint)reference.Descriptor : -1;
            return first.Refer(offset: (holders.BeginTransit(side) << 8) + side, length: other);
        }
        finally
        {
            use.End();
        }
    }

    // An end is somebody's, and whether it has gone is what the other end waits for.
    static bool ISharedObject<SharedPipeEnd<T>>.CanBeNamed => false;

    static SharedPipeEnd<T> ISharedObject<SharedPipeEnd<T>>.Attach(in SharedReference reference)
    {
        int side = (int)(reference.Offset & 0xFF);
        if (side > 1)
            throw new CorruptSharedMemoryException($"A reference to end {side} of a pipe has arrived, and pipes have ends 0 and 1.");
        SharedBlock first = SharedBlock.Attach(in reference, SharedKind.Pipe);
        SharedBlock? second = null;
        try
        {
            bool isDuplex = reference.Length >= 0;
            Guid secondLane = PipeHolders.SecondLane(first);
            if (isDuplex == (secondLane == Guid.Empty))
                throw new CorruptSharedMemoryException($"A reference to a pipe that goes {(isDuplex ? "both ways" : "one way")} has arrived, and the pipe names {secondLane} as its second lane; it was overwritten.");
            if (isDuplex)
                second = SharedBlock.Attach(new(secondLane, reference.Process, (int)reference.Length, reference.ProcessStart, 0, 0, (uint)(reference.Length >> 32)), SharedKind.Pipe);
            SharedPipeEnd<T> end = new(first, second, side);
            end.holders.EndTransit(side, in reference, reference.Offset >> 8);
            return end;
        }
        catch
        {
            first.EndUser();
            second?.EndUser();
            throw;
        }
    }

    // Nothing is under way here any more: what this process has sent is there before it says that it has gone.
    private void GiveBack()
    {
        holders.Leave(side);
        WakeAll();
        first.EndUser();
        second?.EndUser();
    }

    private void Collected()
    {
        // Null if the constructor threw.
        if (holders is null)
            return;
        holders.Leave(side);
        WakeAll();
    }

    private void WakeAll()
    {
        incoming?.WakeAll();
        outgoing?.WakeAll();
    }

    void IWaitable.ThrowIfDisposed() => ObjectDisposedException.ThrowIf(use.IsDisposed, this);

    bool ISelectable.IsReady(bool thorough)
    {
        MessageLane lane = Incoming;
        use.Begin(this);
        try
        {
            return !lane.IsEmpty || holders.IsGone(1 - side);
        }
        finally
        {
            use.End();
        }
    }

    WaitWord ISelectable.WaitWord => Incoming.Messages.WaitWord;

    void ISelectable.PassOn() => Incoming.PassOnMessages();

    // For a while, where the other side's answer is usually there within that: sleeping and being woken takes many times longer than most answers. One thread at a time.
    private bool Look(MessageLane lane)
    {
        if (Interlocked.Exchange(ref isSpinning, 1) != 0)
            return false;
        bool found = spinning.IsWorthwhile && LookNow(lane);
        Volatile.Write(ref isSpinning, 0);
        return found;
    }

    private bool LookNow(MessageLane lane)
    {
        long deadline = Spinning.CallersDeadline;
        int rounds = 0;
        while (lane.IsEmpty)
        {
            if (use.IsDisposed || !Spinning.Pause(ref rounds, deadline))
            {
                spinning.Failed();
                return false;
            }
        }

        spinning.Succeeded();
        return true;
    }

    private OutgoingMessages Encode(T message) => Encode(message, static (encoded, message) => encoded.Add(message));

    private OutgoingMessages EncodeBytes(ReadOnlySpan<byte> message) => Encode(message, static (encoded, message) => encoded.AddBytes(message));

    private OutgoingMessages Encode<TMessage>(TMessage message, Func<OutgoingMessages, TMessage, int> add)
        where TMessage : allows ref struct
    {
        MessageLane lane = Outgoing;
        ObjectDisposedException.ThrowIf(use.IsDisposed, this);
        OutgoingMessages encoded = OutgoingMessages.Rent();
        try
        {
            int size = add(encoded, message);
            if (size > lane.LargestMessage)
                throw new UnsendableCallException($"The message takes {size:N0} bytes, and one direction of the pipe may take {first.BodySize:N0}. Give the pipe a larger maximumSize, or put the data into a SharedArray and send that.");
            return encoded;
        }
        catch (Exception failure)
        {
            encoded.Dispose();
            if (failure is UnsendableValueException or PayloadTooLargeException)
                throw new UnsendableCallException($"SharedPipeEnd<{TypeNames.Of(typeof(T))}>: the message can't travel: {ExceptionText.MessageOf(failure)}", failure);
            throw;
        }
    }

    private sealed class Sending(SharedPipeEnd<T> pipe, OutgoingMessages message) : WaitAttempt(pipe)
    {
        private readonly MessageLane lane = pipe.Outgoing;
        private LaneTurn turn;
        private int tries;

        protected override bool Try(bool thorough, out WaitWord until)
        {
            tries++;
            if (TryOnce(thorough, out until) is var first && first != AddResult.NoRoom)
                return first == AddResult.Added;
            WaitWord room = lane.Room.WaitWord;
            AddResult second = TryOnce(thorough, out until);
            if (second == AddResult.NoRoom)
                until = room;
            return second == AddResult.Added;
        }

        // Only who has slept can have been woken.
        protected override void GiveUp()
        {
            if (tries > 1)
                lane.PassOnRoom();
        }

        private AddResult TryOnce(bool thorough, out WaitWord until)
        {
            pipe.use.Begin(pipe);
            try
            {
                return !pipe.holders.IsGone(1 - pipe.side)
                    ? lane.TryAdd(message, ref turn, thorough, out until)
                    : throw new PipeBrokenException("The message wasn't sent: no process has the other end of the pipe any more. Each has disposed of it or died.");
            }
            finally
            {
                pipe.use.End();
            }
        }
    }

    private abstract class Receiving(SharedPipeEnd<T> pipe) : WaitAttempt(pipe)
    {
        private readonly MessageLane lane = pipe.Incoming;
        private LaneTurn turn;
        private int tries;

        public bool MayEnd { get; init; }

        public bool IsAtEnd { get; private set; }

        /// <summary>What one message may take, encoded.</summary>
        protected virtual int Largest => Array.MaxLength;

        protected abstract void Accept(ReadOnlyMemory<byte> message);

        /// <summary>Throws: the next message is larger.</summary>
        protected virtual void Refuse(int length)
        {
        }

        protected override bool Try(bool thorough, out WaitWord until)
        {
            tries++;
            if (TryOnce(thorough, out until) || until != default)
                return until == default;
            if (tries == 1 && !thorough && pipe.Look(lane) && (TryOnce(thorough, out until) || until != default))
                return until == default;
            WaitWord messages = lane.Messages.WaitWord;
            if (TryOnce(thorough, out until))
                return true;
            if (until == default)
                until = messages;
            return false;
        }

        protected override void GiveUp()
        {
            if (tries > 1)
                lane.PassOnMessages();
        }

        // False without anything to sleep on if there is no message.
        private bool TryOnce(bool thorough, out WaitWord until)
        {
            using TakenMessages taken = TakenMessages.Rent();
            taken.Largest = Largest;
            try
            {
                if (!TakeMessage(taken, thorough, out until))
                    return IsAtEnd;
                if (taken.Count == 0)
                {
                    // Another receiver may have room for it.
                    GiveUp();
                    Refuse(taken.Refused);
                }

                Accept(taken[0]);
                return true;
            }
            catch (InvalidPayloadException damage)
            {
                throw new CorruptSharedMemoryException($"A message of the pipe isn't a {TypeNames.Of(typeof(T))}: {ExceptionText.MessageOf(damage)}", damage);
            }
        }

        // True also for one that is too large and was left there.
        private bool TakeMessage(TakenMessages taken, bool thorough, out WaitWord until)
        {
            pipe.use.Begin(pipe);
            try
            {
                if (Take(taken, thorough, out until) || until != default || !pipe.holders.IsGone(1 - pipe.side))
                    return taken.Count > 0 || taken.Refused >= 0;

                // Once more: what was sent before the last one went is received.
                if (Take(taken, thorough, out until) || until != default)
                    return taken.Count > 0 || taken.Refused >= 0;
                IsAtEnd = true;
                return MayEnd ? false : throw new EndOfStreamException("The pipe is empty, and no process has its other end any more: each has disposed of it or died.");
            }
            finally
            {
                pipe.use.End();
            }
        }

        private bool Take(TakenMessages taken, bool thorough, out WaitWord until) => lane.TryTake(taken, 1, ref turn, thorough, out until) || taken.Refused >= 0;
    }

    private sealed class ReceivingMessage(SharedPipeEnd<T> pipe) : Receiving(pipe)
    {
        public T? Message { get; private set; }

        protected override void Accept(ReadOnlyMemory<byte> message)
        {
            PayloadReader reader = new(message);
            Message = Codec<T>.Instance.Read(ref reader);
        }
    }

    /// <summary>For messages that are arrays of bytes: a count, -1 for null, and the bytes.</summary>
    private sealed unsafe class ReceivingBytes(SharedPipeEnd<T> pipe, nint buffer, int size) : Receiving(pipe)
    {
        public int Length { get; private set; }

        protected override int Largest => (int)Math.Min(Array.MaxLength, sizeof(int) + (long)size);

        protected override void Accept(ReadOnlyMemory<byte> message)
        {
            PayloadReader reader = new(message);
            int count = reader.ReadUnmanaged<int>();
            if (count < -1 || count > size || Math.Max(count, 0) != reader.Remaining)
                throw InvalidPayloadException.BadLength(count, reader.Remaining);
            Length = Math.Max(count, 0);
            reader.ReadBytes(Length).CopyTo(new Span<byte>((void*)buffer, size));
        }

        protected override void Refuse(int length) => throw new BufferTooSmallException(length - sizeof(int), size);
    }

    private sealed class WaitingToReceive(SharedPipeEnd<T> pipe) : WaitAttempt(pipe)
    {
        private readonly ISelectable end = pipe;
        private int tries;

        protected override bool Try(bool thorough, out WaitWord until)
        {
            tries++;
            until = default;
            if (end.IsReady(thorough) || (tries == 1 && !thorough && pipe.Look(pipe.Incoming)))
            {
                GiveUp();
                return true;
            }

            until = end.WaitWord;
            if (!end.IsReady(thorough))
                return false;
            GiveUp();
            return true;
        }

        // It takes nothing, so a wake-up that it had is for the next.
        protected override void GiveUp()
        {
            if (tries > 1)
                end.PassOn();
        }
    }
}

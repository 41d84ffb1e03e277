using System.Buffers;
using System.Buffers.Binary;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>
/// Messages on their way out. Who adds one sends it, and what others add meanwhile goes with it; what the socket doesn't take at once is sent without a thread.
/// </summary>
internal sealed class OutgoingFrames(WireStream stream, Action<Exception> failed) : IDisposable
{
    private const int Usual = 16 * 1024;

    private readonly Lock gate = new();
    private byte[] filling = ArrayPool<byte>.Shared.Rent(Usual);
    private byte[] spare = ArrayPool<byte>.Shared.Rent(Usual);
    private int length;
    private bool sending;
    private bool isOver;
    private TaskCompletionSource? drained;

    /// <summary>How many bytes wait, other than those that are being sent.</summary>
    public int Waiting => Volatile.Read(ref length);

    /// <summary>Adds a message without sending it; <see cref="Flush"/> does.</summary>
    public void Add(MessageKind kind, ReadOnlySpan<byte> head, ReadOnlySpan<byte> first = default, ReadOnlySpan<byte> second = default, ReadOnlySpan<byte> third = default)
    {
        int size = checked(1 + head.Length + first.Length + second.Length + third.Length);
        lock (gate)
        {
            if (isOver)
                return;
            Span<byte> free = Reserve(FrameBuffer.LengthSize + size);
            BinaryPrimitives.WriteInt32LittleEndian(free, size);
            free[4] = (byte)kind;
            free = free[5..];
            head.CopyTo(free);
            first.CopyTo(free = free[head.Length..]);
            second.CopyTo(free = free[first.Length..]);
            third.CopyTo(free[second.Length..]);
            length += FrameBuffer.LengthSize + size;
        }
    }

    /// <summary>Sends what was added, unless somebody is at it, who then does.</summary>
    public void Flush()
    {
        lock (gate)
        {
            if (sending || length == 0 || isOver)
                return;
            sending = true;
        }

        Send();
    }

    /// <summary>Ends when all that was added so far, and most likely more, is with the kernel.</summary>
    public Task DrainedAsync()
    {
        lock (gate)
        {
            if (isOver || (!sending && length == 0))
                return Task.CompletedTask;
            return (drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    public void Dispose() => End();

    private void Send()
    {
        try
        {
            while (TakeFilled(out byte[] bytes, out int count))
            {
                int sent = 0;
                while (stream.CanTry && sent < count)
                {
                    int now = stream.TrySend(bytes.AsSpan(sent, count - sent));
                    if (now == 0)
                        break;
                    sent += now;
                }

                if (sent < count)
                {
                    _ = SendRestAsync(bytes, sent, count);
                    return;
                }

                GiveBack(bytes);
            }
        }
        catch (Exception reason)
        {
            Fail(reason);
        }
    }

    private async Task SendRestAsync(byte[] bytes, int sent, int count)
    {
        try
        {
            do
            {
                await stream.SendAsync(bytes.AsMemory(sent, count - sent)).ConfigureAwait(false);
                GiveBack(bytes);
                sent = 0;
            }
            while (TakeFilled(out bytes, out count));
        }
        catch (Exception reason)
        {
            Fail(reason);
        }
    }

    // On the thread of whoever has just answered, or that of nobody.
    private void Fail(Exception reason)
    {
        End();
        Guarded.Run(GuardedEntry.ManagerSending, (Failed: failed, Reason: reason), static one => one.Failed(one.Reason), static _ => "a connection that can't be sent to, and whose owner was told");
    }

    private bool TakeFilled(out byte[] bytes, out int count)
    {
        lock (gate)
        {
            (bytes, count) = (filling, length);
            if (length == 0 || isOver)
            {
                sending = false;
                drained?.TrySetResult();
                drained = null;
                return false;
            }

            filling = spare;
            spare = [];
            length = 0;
            return true;
        }
    }

    private void GiveBack(byte[] bytes)
    {
        lock (gate)
        {
            if (!isOver && spare.Length == 0 && bytes.Length <= 64 * Usual)
            {
                spare = bytes;
                return;
            }
        }

        ArrayPool<byte>.Shared.Return(bytes);
    }

    private Span<byte> Reserve(int size)
    {
        if (filling.Length - length < size)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(Usual, Math.Max(2 * filling.Length, checked(length + size))));
            filling.AsSpan(0, length).CopyTo(larger);
            if (filling.Length > 0)
                ArrayPool<byte>.Shared.Return(filling);
            filling = larger;
        }

        return filling.AsSpan(length);
    }

    private void End()
    {
        lock (gate)
        {
            if (isOver)
                return;
            isOver = true;
            length = 0;
            drained?.TrySetResult();

            // What a send has in its hands stays its own; the garbage collector gets both.
            filling = spare = [];
        }
    }
}

using ManyHands.Memory;
using ManyHands.Queues;

namespace ManyHands;

/// <summary>Makes pipes: messages between two ends, in shared memory. Each end may be passed to another process like any other argument.</summary>
/// <remarks>On Linux only.</remarks>
public static class SharedPipe
{
    private const long SmallestSize = 256 * 1024;
    private const int FirstChunks = 3;

    /// <summary>Makes a pipe both of whose ends send and receive.</summary>
    /// <param name="capacity">How many messages wait in each direction before whoever sends has to; 0 for as many as there is memory for.</param>
    /// <param name="maximumSize">How much memory each direction may take, in bytes, from 256 KiB. It begins with less, grows when it has to, and keeps what it has.</param>
    /// <typeparam name="T">What the messages are; the same on both sides.</typeparam>
    /// <returns>The two ends. Dispose of those that this process has no use for: the end of the stream comes when all have.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative, or the size is too small or more than 2⁴⁰.</exception>
    /// <exception cref="IOException">There is no memory for it.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static (SharedPipeEnd<T> First, SharedPipeEnd<T> Second) CreateDuplex<T>(long capacity = 0, long maximumSize = SharedQueue<T>.DefaultMaximumSize) =>
        Create<T>(capacity, maximumSize, isDuplex: true);

    /// <summary>Makes a pipe with one end that only receives and one that only sends.</summary>
    /// <param name="capacity">How many messages wait before whoever sends has to; 0 for as many as there is memory for.</param>
    /// <param name="maximumSize">How much memory it may take, in bytes, from 256 KiB. It begins with less, grows when it has to, and keeps what it has.</param>
    /// <inheritdoc cref="CreateDuplex"/>
    public static (SharedPipeEnd<T> Receiver, SharedPipeEnd<T> Sender) CreateSimplex<T>(long capacity = 0, long maximumSize = SharedQueue<T>.DefaultMaximumSize) =>
        Create<T>(capacity, maximumSize, isDuplex: false);

    private static (SharedPipeEnd<T> First, SharedPipeEnd<T> Second) Create<T>(long capacity, long maximumSize, bool isDuplex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumSize, SmallestSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maximumSize, 1L << 40);
        SharedBlock toFirst = CreateLane(SharedKind.Pipe, capacity, maximumSize);
        SharedBlock? toSecond = null;
        if (isDuplex)
        {
            try
            {
                toSecond = CreateLane(SharedKind.Pipe, capacity, maximumSize);
            }
            catch
            {
                toFirst.EndUser();
                throw;
            }

            PipeHolders.SecondLane(toFirst) = toSecond.Id;
        }

        // Each end is a user of its own.
        toFirst.AddUser();
        toSecond?.AddUser();
        return (new(toFirst, toSecond, side: 0), new(toFirst, toSecond, side: 1));
    }

    private static SharedBlock CreateLane(SharedKind kind, long capacity, long maximumSize)
    {
        SharedBlock block = SharedBlock.Create(kind, MessageLane.SizeOf(FirstChunks), largest: maximumSize);
        MessageLane.Initialize(block, capacity);
        return block;
    }
}

using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>A process that may not have the memory that it wants: it is told, when it asks, and no access faults later. Each runs in a child, whose limits are set there.</summary>
public sealed class ShortMemoryTests : LeakChecked
{
    private const long Mebibyte = 1 << 20;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>No memory behind the addresses.</summary>
    [Fact]
    public async Task Creation_WithoutMemory_IsRefused() => Assert.Contains("bytes of shared memory failed", await Run(static () =>
    {
        Limits.SetFileSize(16 * Mebibyte);
        using SharedArray<byte> small = new(8 * Mebibyte);
        small.Span.Fill(1);
        return Refusal(static () => new SharedArray<byte>(64 * Mebibyte).Dispose());
    }), StringComparison.Ordinal);

    /// <summary>No addresses for the memory: what was made so far is given back.</summary>
    [Fact]
    public async Task Creation_WithoutAddresses_IsRefused_AndLeavesNothing() => Assert.Contains("Mapping", await Run(static () =>
    {
        Limits.SetAddresses(128 * Mebibyte);
        int before = Descriptors();
        string refusal = Refusal(static () => new SharedArray<byte>(512 * Mebibyte).Dispose());
        return Descriptors() == before ? refusal : $"a descriptor was left after: {refusal}";

        // Of memory: another thread of the worker may be opening a library for a moment.
        static int Descriptors() => ProcessInventory.Take().Descriptors.GetValueOrDefault("memfd");
    }), StringComparison.Ordinal);

    /// <summary>A queue that can't grow says so to the writer, and goes on with what it has.</summary>
    [Fact]
    public async Task Growth_WithoutMemory_IsRefused_AndTheQueueGoesOn() => Assert.Equal("went on", await Run(static () =>
    {
        using SharedQueue<byte[]> queue = new(maximumSize: 64 * Mebibyte);
        Limits.SetFileSize(8 * Mebibyte);
        byte[] item = new byte[Mebibyte];
        item.AsSpan().Fill(3);
        int written = 0;
        string refusal = Refusal(() =>
        {
            for (; written < 64; written++)
                queue.Enqueue(item);
        });
        if (written is 0 or 64 || queue.Count != written)
            return $"{written} written, {queue.Count} there: {refusal}";
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < written; i++)
            {
                if (queue.Dequeue().AsSpan().IndexOfAnyExcept((byte)3) >= 0)
                    return "an item is torn";
            }

            for (int i = 0; i < written; i++)
                queue.Enqueue(item);
        }

        return "went on";
    }));

    private static async Task<string> Run(Func<string> work)
    {
        await using WorkerProcess<string> child = WorkerProcess.Start(work);
        return await child.JoinAsync(Deadline, Token) ? await child : throw new TimeoutException("It doesn't end.");
    }

    private static string Refusal(Action action)
    {
        try
        {
            action();
            return "it was not refused";
        }
        catch (IOException refusal)
        {
            return refusal.Message;
        }
    }
}

using System.Reflection;
using ManyHands.Memory;

namespace ManyHands.Tests.Queues;

/// <summary>What workers do with queues.</summary>
internal static class QueueWork
{
    private static SharedQueue<int>? kept;

    public static (int Writer, int Number)[] ReadAll(SharedQueue<(int Writer, int Number)> queue) => [.. queue.ReadAll()];

    public static void Write(SharedQueue<(int Writer, int Number)> queue, int writer, int items)
    {
        for (int i = 0; i < items; i++)
            queue.Enqueue((writer, i));
    }

    public static void Forward(SharedQueue<(int Writer, int Number)> from, SharedQueue<(int Writer, int Number)> to)
    {
        while (true)
            to.Enqueue(from.Dequeue());
    }

    public static void WriteNumbers(SharedQueue<int> queue, int first, int count)
    {
        for (int i = 0; i < count; i++)
            queue.Enqueue(first + i);
    }

    /// <summary>Those of one writer come in order, whoever gets them.</summary>
    public static void Mark(SharedQueue<int> queue, SharedArray<int> history, SharedArray<int> disorder)
    {
        int[] last = new int[history.Length / 250_000];
        foreach (int item in queue.ReadAll())
        {
            Interlocked.Increment(ref history[item]);
            int writer = item / 250_000;
            if (item < last[writer])
                Interlocked.Increment(ref disorder[0]);
            last[writer] = item;
        }
    }

    public static void Complete(SharedQueue<int> queue) => queue.Complete();

    public static void Keep(SharedQueue<int> queue) => kept = queue;

    public static int PassThroughKept(int item)
    {
        kept!.Enqueue(item);
        return kept.Dequeue();
    }

    public static int Send(SharedQueue<byte[]> queue, int size)
    {
        byte[] data = new byte[size];
        new Random(size).NextBytes(data);
        queue.Enqueue(data);
        return size;
    }

    public static async Task AnswerInGrandchild(SharedQueue<SharedQueue<string>> queues)
    {
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(static queues => queues.Dequeue().Enqueue("from below"), queues);
    }

    public sealed record Order(string Name, double Price, int[] Lines);
}

/// <summary>Writes into a queue's memory like a process that has gone mad.</summary>
internal static class RawQueue
{
    public const int FirstMessage = 4096 + 8;

    public static unsafe void Write<T>(SharedQueue<T> queue, int offset, ulong value)
    {
        SharedBlock block = (SharedBlock)typeof(SharedQueue<T>).GetField("block", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(queue)!;
        *(ulong*)(block.Body + offset) = value;
    }
}

using ManyHands.Platform;

namespace ManyHands.Tests.Memory;

/// <summary>What workers do with shared memory.</summary>
internal static class SharedWork
{
    private static SharedArray<int>? stored;

    public static void Count(SharedArray<int> part, int first)
    {
        Span<int> span = part.Span;
        for (int i = 0; i < span.Length; i++)
            span[i] = first + i;
    }

    public static double SumOf(Pair pair) => pair.Array.Span.ToArray().Sum() + pair.More.Sum(more => more?.Span.ToArray().Sum() ?? 0);

    public static bool IsNull(SharedArray<double>? array) => array is null;

    public static SharedArray<int> Make(int length)
    {
        SharedArray<int> array = new(length);
        Count(array, 0);
        return array;
    }

    public static Parcel MakeParcel() => new() { Array = Make(10) };

    public static void EnqueueAndWait(SharedQueue<SharedArray<int>> queue, string until)
    {
        for (int i = 0; i < 2; i++)
        {
            SharedArray<int> array = Make(10);
            queue.Enqueue(array);
            array.Dispose();
        }

        Gate.Wait(until);
    }

    public static int Sum(SharedArray<int> array) => array.Span.ToArray().Sum();

    public static async Task FillInChild(SharedArray<int> array, int value)
    {
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(Fill, array, value);
    }

    public static void Fill(SharedArray<int> array, int value) => array.Span.Fill(value);

    /// <summary>Takes a span at once, and nothing else of the array after that.</summary>
    public static void FillSlowly(SharedArray<int> array, int value)
    {
        Span<int> span = array.Span;
        for (int i = 0; i < span.Length; i++)
        {
            if (i % 20_000 == 0)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            span[i] = value;
        }
    }

    public static int Mappings(SharedArray<long> array)
    {
        GC.KeepAlive(array);

        // The rings of the worker itself are mapped with other sizes.
        return File.ReadLines("/proc/self/maps").Count(line => line.Contains("memfd:manyhands", StringComparison.Ordinal) && Size(line) >= array.Length * sizeof(long));

        static long Size(string line)
        {
            string[] range = line.Split(' ')[0].Split('-');
            return Convert.ToInt64(range[1], 16) - Convert.ToInt64(range[0], 16);
        }
    }

    public static long Last(SharedArray<long> array) => array[array.Length - 1];

    public static void Store(SharedArray<int> array) => stored = array;

    public static int SumStored() => Sum(stored!);

    public static void FillAndDie(SharedArray<int> array)
    {
        array[0] = 3;
        if (OperatingSystem.IsLinux())
            _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        Thread.Sleep(Timeout.Infinite);
    }

    public sealed record Pair(string Name, SharedArray<double> Array, List<SharedArray<double>?> More);

    /// <summary>Whoever reads it is told so before the array's turn.</summary>
    public sealed class Parcel
    {
        public Parcel() => Reading?.Invoke();

        public static Action? Reading { get; set; }

        public SharedArray<int>? Array { get; set; }
    }
}

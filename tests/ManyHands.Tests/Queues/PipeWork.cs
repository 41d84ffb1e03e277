using System.Reflection;
using ManyHands.Memory;
using ManyHands.Platform;

namespace ManyHands.Tests.Queues;

/// <summary>What workers do with pipes.</summary>
internal static class PipeWork
{
    /// <summary>Answers until the end of the stream; how many.</summary>
    public static int Echo(SharedPipeEnd<byte[]> end)
    {
        int count = 0;
        foreach (byte[] message in end.ReceiveAll())
        {
            end.Send(message);
            count++;
        }

        return count;
    }

    /// <summary>The same with one buffer for all.</summary>
    public static int EchoBytes(SharedPipeEnd<byte[]> end, int largest)
    {
        byte[] buffer = new byte[largest];
        int count = 0;
        while (end.WaitToReceive(Timeout.InfiniteTimeSpan))
        {
            try
            {
                end.Send(buffer.AsSpan(0, end.Receive(buffer.AsSpan())));
            }
            catch (EndOfStreamException)
            {
                break;
            }

            count++;
        }

        return count;
    }

    public static void DieWith(SharedPipeEnd<int> end)
    {
        GC.KeepAlive(end);
        _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        Thread.Sleep(Timeout.Infinite);
    }

    public static int SendNumbersAndReceive(SharedPipeEnd<int> end, int count)
    {
        using SharedPipeEnd<int> own = end;
        int sum = 0;
        Thread sending = new(() =>
        {
            for (int i = 0; i < count; i++)
                end.Send(i);
        });
        sending.Start();
        for (int i = 0; i < count; i++)
            sum += end.Receive() == i ? 1 : 0;
        sending.Join();
        return sum;
    }

    public static void SendAndLeave(SharedPipeEnd<int> end, int count)
    {
        for (int i = 0; i < count; i++)
            end.Send(i);
    }

    public static void DisposeOf(SharedPipeEnd<int> end) => end.Dispose();

    public static void SendFor(SharedPipeEnd<int> end, int first)
    {
        while (true)
            end.Send(first++);
    }

    public static void ReceiveFor(SharedPipeEnd<int> end, string started)
    {
        Gate.Open(started);
        foreach (int _ in end.ReceiveAll())
        {
            // Whatever comes.
        }
    }

    public static void HoldUntil(SharedPipeEnd<int> end, string started, string until)
    {
        Gate.Open(started);
        Gate.Wait(until);
        GC.KeepAlive(end);
    }

    public static void SendTextInGrandchild(Parcel parcel) => SendTextInGrandchildAsync(parcel).GetAwaiter().GetResult();

    private static async Task SendTextInGrandchildAsync(Parcel parcel)
    {
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(
            static parcel =>
            {
                parcel.End.Send(parcel.Text);
                parcel.End.Dispose();
            },
            parcel);
        parcel.End.Dispose();
    }

    /// <summary>The end that is returned is all that is left of it here.</summary>
    public static SharedPipeEnd<string> MakeAndReturn()
    {
        (SharedPipeEnd<string> receiver, SharedPipeEnd<string> sender) = SharedPipe.CreateSimplex<string>();
        sender.Send("made elsewhere");
        sender.Dispose();
        return receiver;
    }

    public static unsafe byte* FirstLane<T>(SharedPipeEnd<T> end) =>
        ((SharedBlock)typeof(SharedPipeEnd<T>).GetField("first", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(end)!).Body;

    public sealed record Parcel(string Text, SharedPipeEnd<string> End);
}

using System.Diagnostics;
using System.Net;

namespace ManyHands.Managers;

/// <summary>
/// Whether a connection that ends does so because its process has no more use for an object. Such a process says so by <c>decref</c>, on a connection of its own, and then closes; one that is killed doesn't. Nothing on the wire
/// tells which two connections belong together, so they are matched by object, address and time, and in doubt the end counts as a death.
/// </summary>
internal sealed class PythonGoodbyes
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(1);

    /// <summary>Getting a proxy ends with a <c>decref</c> too, some round trips after its <c>create</c>.</summary>
    private static readonly TimeSpan CreationTime = TimeSpan.FromSeconds(10);

    private readonly List<(IPAddress? Address, long At)> creations = [];
    private readonly List<(IPAddress? Address, long At)> goodbyes = [];

    public void Created(IPAddress? address)
    {
        lock (creations)
            Add(creations, address, CreationTime);
    }

    public void GivenUp(IPAddress? address)
    {
        lock (creations)
        {
            if (!Take(creations, address, CreationTime))
                Add(goodbyes, address, Remembered);
        }
    }

    /// <summary>A connection that used the object ends: whether somebody there has just said goodbye, who then has.</summary>
    public bool Take(IPAddress? address)
    {
        lock (creations)
            return Take(goodbyes, address, Remembered);
    }

    private static void Add(List<(IPAddress? Address, long At)> list, IPAddress? address, TimeSpan time)
    {
        Forget(list, time);
        list.Add((address, Stopwatch.GetTimestamp()));
    }

    private static bool Take(List<(IPAddress? Address, long At)> list, IPAddress? address, TimeSpan time)
    {
        Forget(list, time);
        int index = list.FindIndex(one => Equals(one.Address, address));
        if (index >= 0)
            list.RemoveAt(index);
        return index >= 0;
    }

    // In the order of time.
    private static void Forget(List<(IPAddress? Address, long At)> list, TimeSpan time)
    {
        int count = list.FindIndex(one => Stopwatch.GetElapsedTime(one.At) <= time);
        list.RemoveRange(0, count < 0 ? list.Count : count);
    }
}

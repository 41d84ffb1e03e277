using System.Collections.Immutable;
using System.Globalization;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>What travels arrives equal to the last field.</summary>
public class SendableValueTests
{
    public static TheoryData<string> Names => [.. SendableCorpus.Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void ArrivesEqual(string name) => SendableCorpus.Cases[name]();

    [Fact]
    public void ALambdasAnonymousObjectArrivesEqual() => Journey.ArrivesEqual(new { Name = "a", Age = 3, Inner = new { Items = new[] { 1, 2 } } });

    [Fact]
    public void FourHundredNodesInAChainArriveEqual()
    {
        Node? chain = null;
        for (int number = 0; number < 400; number++)
            chain = new Node(number, chain);
        Journey.ArrivesEqual(chain);
    }

    [Fact]
    public void FourHundredNestedListsArriveEqual()
    {
        Nest nest = new();
        for (int level = 0; level < 200; level++)
            nest = new Nest { Items = [nest] };
        Journey.ArrivesEqual(nest);
    }

    [Fact]
    public void TheDeepestValueFitsASmallStack()
    {
        Node? chain = null;
        for (int number = 0; number < 498; number++)
            chain = new Node(number, chain);
        Exception? failure = null;
        Thread thread = new(() => failure = Record.Exception(() => Journey.Of(chain)), maxStackSize: 1024 * 1024);
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }

    [Fact]
    public void NullAtTheTopArrivesAsNull()
    {
        Assert.Null(Journey.Of<Person?>(null));
        Assert.Null(Journey.Of<List<int>?>(null));
        Assert.Null(Journey.Of<Uri?>(null));
        Assert.Null(Journey.Of<Point?>(null));
    }

    [Fact]
    public void ManyThreadsMayMeetATypeForTheFirstTime()
    {
        Parallel.For(0, 64, number => Assert.Equal(new FirstMet(number, new FirstMetInside("a")), Journey.Of(new FirstMet(number, new FirstMetInside("a")))));
    }

    [Fact]
    public void ABranchOfAStackOfItselfArrivesEqual()
    {
        Pile pile = new("a", new Stack<Pile>([new("b", []), new("c", new Stack<Pile>([new("d", [])]))]));
        Journey.ArrivesEqual(pile);
    }

    [Theory]
    [InlineData("de-DE", "sv-SE")]
    [InlineData("sv-SE", "de-DE")]
    public void WhatACultureSorts_IsRefusedWhereItSortsOtherwise(string here, string there)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        string[] words = ["z", "ä", "a"];
        try
        {
            CultureInfo.CurrentCulture = new(here);
            Action[] readers =
            [
                Reader(new SortedSet<string>(words)),
                Reader(new SortedDictionary<string, int>(words.ToDictionary(static word => word, static word => 1))),
                Reader(new SortedList<string, int>(words.ToDictionary(static word => word, static word => 1))),
                Reader(words.ToImmutableSortedSet()),
                Reader(words.ToImmutableSortedDictionary(static word => word, static word => 1)),
                Reader(new SortedSet<(string, int)>(words.Select(static word => (word, 1)))),
            ];
            Assert.All(readers, static read => read());
            CultureInfo.CurrentCulture = new(there);
            Assert.All(readers, read =>
            {
                string message = Assert.Throws<InvalidPayloadException>(read).Message;
                Assert.Contains($"whose culture is '{there}'", message, StringComparison.Ordinal);
                Assert.Contains("sort texts with StringComparer.Ordinal, which travels", message, StringComparison.Ordinal);
            });
            Reader(new SortedSet<string>(words, StringComparer.Ordinal))();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        static Action Reader<T>(T value)
        {
            byte[] bytes = Journey.BytesOf(value);
            return () => Journey.Read<T>(bytes);
        }
    }

    [Fact]
    public void AMemberTheUserLeftOutStaysBehind() =>
        Assert.Equal(new LeavesOut { Kept = 1 }, Journey.Of(new LeavesOut { Kept = 1, LeftOut = 2 }));

    [Fact]
    public void AStandInTravelsForATypeThatCannot() => Assert.Equal(5, Journey.Of(new Counter(5)).Value);
}
